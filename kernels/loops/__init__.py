"""Array-level loops of the reference kernels: plain arrays in, a preallocated array out."""
