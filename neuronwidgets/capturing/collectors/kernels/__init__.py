"""Kernels in Triton that read a batch's rows once. `fused` launches them.

A program owns some neurons of a layer and takes the rows in order, a tile at a time: so programs
need neither atomics nor each other, and the result does not depend on their order.

What kernels of rows take: `addresses`, int64 `L`, where each layer's rows begin; `rows`, their
number; `width`, the neurons of a layer; `stride`, from one row to the next; `KIND`, their dtype;
`STEP`, a power of two that divides all addresses, in bytes; `R` and `C`, the rows and columns of a
tile.
"""
