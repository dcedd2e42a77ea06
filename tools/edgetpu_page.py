"""docs/edgetpu.md: prose, and the tables as the compiler itself has them."""

from __future__ import annotations

from edgec.lowering.edgetpu import MISSING, ROWS, SUMMARIES

TOP = """\
# Coral Edge TPU

The tables on this page are generated from the code (`make docs`).

```
pip install 'edgec[tflite]'
edgec check model.onnx -t edgetpu
edgec compile model.onnx -t edgetpu -o model.tflite --precision int8 --calibration images/ --verify
```

The Edge TPU computes on 8-bit integers only, on dims that are known, with a batch of 1 (give them
with `--input-shape x:1x3x224x224` where the model leaves them open). `-t edgetpu` writes such a
file: integers go in and come out (`--io-dtype uint8|float` for others), images have their channels
last (`--io-layout nchw` for the model's own order), and every operator is in its oldest form.
`--verify` runs it in LiteRT's reference kernels, and compares the integers with ours.

Coral's own compiler, `edgetpu_compiler`, turns the file into one for the device. It is not on any
package index. Where it is on PATH, `edgec compile` runs it too and leaves `model_edgetpu.tflite`
beside `model.tflite`; its errors come back with the name of the layer that they are about.

With a device and `libedgetpu`, the runner takes the compiled file there through LiteRT's delegate.
`pycoral` is not needed. The package of that name on PyPI is a tool for maps of coral reefs:
`edgec.lowering.edgetpu.pycoral_status()` tells them apart.

## What `edgec check` says

- Of every operator whether it maps, and of one that does not why, and what to do.
- The number of subgraphs, and the operator that ends the first. The compiler maps the first run of
  operators that map, and leaves everything behind it to the CPU; with its option `-a` it makes
  several subgraphs, and copies between them cost time.
- Parameters against the memory on the chip: what is cached there, and what is streamed at every
  inference. The memory is 8 MiB less what activations take at once, which is an estimate.
- The time that the arithmetic takes at the peak rates of the device's profile. Measured times are
  longer, and the shorter the more so: [docs/cost-model.md](cost-model.md).
- Where `edgetpu_compiler` is on PATH: what it decided, and each difference from the prediction.

Integers are chosen from random inputs unless `--calibration` gives others: this finds the same
structure.
"""
LIMITS = """\
## What holds for every operator

- Tensors of 8-bit integers. Its float inputs and outputs stay on the CPU.
- Dims that are known; only the three innermost may exceed 1.
- A version that TensorFlow had by 2.5: the compiler is of 2021.
"""


def edgetpu_page() -> str:
    """The page as text."""
    lines = [TOP, "## What is rewritten", "", "| found | becomes |", "| --- | --- |"]
    lines += [f"| {found} | {becomes} |" for found, becomes in SUMMARIES]
    lines += [
        "",
        LIMITS,
        "## Operators",
        "",
        "| operator | limits | source |",
        "| --- | --- | --- |",
    ]
    for name, row in ROWS.items():
        limits = "; ".join(limit.text for limit in row.limits)
        lines.append(f"| {name} | {limits} | {row.source} |")
    lines += ["", "Every other operator runs on the CPU. Of some of them more is known:", ""]
    lines += ["| operator | why | instead |", "| --- | --- | --- |"]
    lines += [f"| {name} | {why} | {instead} |" for name, (why, instead) in MISSING.items()]
    return "\n".join(lines) + "\n"
