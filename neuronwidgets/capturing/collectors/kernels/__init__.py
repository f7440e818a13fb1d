"""Kernels in Triton that read a batch's rows once. `fused` launches them.

A program owns some neurons of a layer and takes the rows in order, a tile at a time: so programs
need no other. `mark` is for tiles of any rows, and adds up by atomics what does not depend on their
order. So no result depends on the order of programs.

What kernels of rows take: `addresses`, int64 `L`, where each layer's rows begin; `rows`, their
number; `width`, the neurons of a layer; `stride`, from one row to the next; `KIND`, their dtype;
`STEP`, a power of two that divides all addresses, in bytes; `R` and `C`, the rows and columns of a
tile.
"""
