"""Programs for the device, copied into build packages: each runs alone, with the device's own
TensorRT and numpy."""
