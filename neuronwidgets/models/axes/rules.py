"""The effect of torch functions on the labels of axes.

A rule takes a call's arguments and the shape of its result and returns the result's labels.
Functions without a rule count as elementwise: an axis that keeps its index and size keeps its
label. `NO_RULE` lists functions for which that would be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from neuronwidgets.models.axes.indexing import indexed
from neuronwidgets.models.axes.labels import (
    BATCH,
    MIXED,
    NEURON,
    POSITION,
    REORDERED,
    UNKNOWN,
    Axis,
    Labels,
    axis,
    chosen,
    joined,
    kind_of,
    known,
    reshaped,
    resized,
    unknown,
)

Shape = tuple[int, ...]
Find = Callable[[Any], Labels]
"""A tensor -> its labels."""
Rule = Callable[[Sequence[Any], dict[str, Any], Shape, Find], Labels]


def _sized(labels: Sequence[Axis], shape: Shape) -> Labels:
    """The labels of axes that keep their order and kinds, in the sizes of `shape`."""
    if len(labels) != len(shape):
        return unknown(shape)
    return tuple(map(resized, labels, shape))


def _given(args: Sequence[Any], kwargs: dict[str, Any], index: int, *names: str) -> Any:
    """An argument, by its position or by one of its names."""
    if index < len(args):
        return args[index]
    return next((kwargs[name] for name in names if name in kwargs), None)


def _list(args: Sequence[Any], kwargs: dict[str, Any], index: int, *names: str) -> list[int]:
    """Axes or sizes that are given one by one or as a tuple."""
    first = _given(args, kwargs, index, *names)
    if isinstance(first, tuple | list | torch.Size):
        return list(first)
    return list(args[index:]) if index < len(args) else [first]


def mapped(labels: Labels, index: int, size: int, length: int) -> list[Axis]:
    """The labels after a linear map over the axis `index` to `size` neurons, of `length` axes."""
    index %= length
    result = list(labels)
    over_positions = kind_of(labels[index]) in (POSITION, MIXED) and any(
        kind_of(label) == NEURON for i, label in enumerate(labels) if i != index
    )
    result[index] = axis(MIXED if over_positions else NEURON, size)
    return result


def _linear(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return _sized(mapped(find(_given(args, kwargs, 0, "input")), -1, shape[-1], len(shape)), shape)


def _convolution(spatial: int) -> Rule:
    def rule(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
        labels = find(_given(args, kwargs, 0, "input"))
        channel = len(shape) - spatial - 1
        result = mapped(labels, channel, shape[channel], len(shape))
        result[channel + 1 :] = [
            label if kind_of(label) == NEURON else axis(POSITION, 1)
            for label in result[channel + 1 :]
        ]
        return _sized(result, shape)

    return rule


def _channels(index: int) -> Rule:
    """The rule of norms: an unknown axis that has weights of its own holds the neurons."""

    def rule(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
        result = list(find(_given(args, kwargs, 0, "input")))
        if len(result) > 1 and not known(result[index]):
            result[index] = axis(NEURON, shape[index])
        return _sized(result, shape)

    return rule


def _same_axes(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return _sized(find(_given(args, kwargs, 0, "input", "query", "self")), shape)


def _embedding(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return (*find(_given(args, kwargs, 0, "input")), axis(NEURON, shape[-1]))


def _recurrent(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    # The states beside the output are layers x batch x neurons.
    if len(labels) != len(shape) or labels[0][-1][1] != shape[0]:
        return (*unknown(shape[:-1]), axis(NEURON, shape[-1]))
    return _sized([*labels[:-1], axis(NEURON, shape[-1])], shape)


def _attention(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    query, value = find(_given(args, kwargs, 0, "query")), find(_given(args, kwargs, 2, "value"))
    if len(query) != len(shape):
        return unknown(shape)
    return _sized([*query[:-1], value[-1]], shape)


def _multi_head_attention(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    query = find(_given(args, kwargs, 0, "query"))
    if len(query) != len(shape) or math.prod(s for _, s in query[0]) != shape[0]:
        return unknown(shape)  # the attention weights
    return _sized([*query[:-1], axis(NEURON, shape[-1])], shape)


def _product(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    left, right = (
        args[-2:] if len(args) > 1 else (args[0], _given(args, kwargs, 1, "other", "mat2"))
    )
    first, second = find(left), find(right)
    if len(first) < 2 or len(second) < 2:
        return unknown(shape)
    # Weights of several experts have an axis more.
    weights = len(second) == 2 or isinstance(right, torch.nn.Parameter)
    weights = weights and not any(map(known, second))
    if weights:
        return _sized(mapped(first, -1, shape[-1], len(shape)), shape)
    result = list(unknown(shape))
    for labels in (first, second):
        for i in range(2, len(labels)):
            result[-i - 1] = joined(result[-i - 1], resized(labels[-i - 1], shape[-i - 1]))
    result[-2:] = [first[-2], second[-1]]
    return _sized(result, shape)


def _affine(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return _product(args[1:3], kwargs, shape, find)


def _einsum(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    operands = args[1] if isinstance(args[1], tuple | list) else args[1:]
    inputs, arrow, output = args[0].replace(" ", "").partition("->")
    if not arrow:
        return unknown(shape)
    letters: dict[str | int, Axis] = {}
    for names, operand in zip(inputs.split(","), operands, strict=True):
        labels = find(operand)
        if any(map(known, labels)):
            for name, label in zip(_spelled(names, len(labels)), labels, strict=True):
                letters[name] = joined(letters.get(name, axis(UNKNOWN, label[0][1])), label)
    if not letters:
        return unknown(shape)
    # Axes that only weights have hold the neurons that they map to: several heads of them, too.
    names = _spelled(output, len(shape))
    return _sized([letters.get(name, axis(NEURON, 1)) for name in names], shape)


def _spelled(names: str, count: int) -> list[str | int]:
    """The names of `count` axes of an operand of `einsum`: letters, and for the axes of `...`
    numbers from its end, where they align."""
    before, dots, after = names.partition("...")
    missing = count - len(before) - len(after) if dots else 0
    return [*before, *range(-missing, 0), *after]


def _permute(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    return tuple(labels[i] for i in _list(args, kwargs, 1, "dims"))


def _transpose(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = list(find(args[0]))
    first = _given(args, kwargs, 1, "dim0", "axis0")
    second = _given(args, kwargs, 2, "dim1", "axis1")
    labels[first], labels[second] = labels[second], labels[first]
    return tuple(labels)


def _turned(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    """The last two axes swapped: `.T`, `.mT`, `.t()`, `.adjoint()`."""
    labels = find(args[0])
    return (*labels[:-2], labels[-1], labels[-2]) if len(labels) > 1 else labels


def _movedim(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    count = len(labels)

    def axes(index: int, name: str) -> list[int]:
        given = _given(args, kwargs, index, name)
        return [i % count for i in (given if isinstance(given, tuple | list) else [given])]

    source, target = axes(1, "source"), axes(2, "destination")
    rest = [i for i in range(count) if i not in source]
    source_of = dict(zip(target, source, strict=True))
    remaining = iter(rest)
    return tuple(labels[source_of[i] if i in source_of else next(remaining)] for i in range(count))


def _reshape(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return reshaped(find(args[0]), shape)


def _unsqueeze(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    result = list(find(args[0]))
    result.insert(_given(args, kwargs, 1, "dim") % len(shape), axis(UNKNOWN, 1))
    return tuple(result)


def _squeeze(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    sizes = args[0].shape
    dims = _list(args, kwargs, 1, "dim")
    every = range(len(sizes)) if dims == [None] else [d % len(sizes) for d in dims]
    gone = {i for i in every if sizes[i] == 1}
    return tuple(label for i, label in enumerate(labels) if i not in gone)


def _expand(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    extra = len(shape) - len(labels)
    return (*unknown(shape[:extra]), *_sized(labels, shape[extra:]))


def _join(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    parts = [find(t) for t in _given(args, kwargs, 0, "tensors")]
    index = (_given(args, kwargs, 1, "dim", "axis") or 0) % len(shape)
    result = list(unknown(shape))
    for labels in parts:
        for i, label in enumerate(labels):
            # A class token takes the label of the axis that it is joined to.
            result[i] = joined(result[i], label if i != index else resized(label, shape[i]))
    return _sized(result, shape)


def _stack(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    index = (_given(args, kwargs, 1, "dim", "axis") or 0) % len(shape)
    result = list(find(_given(args, kwargs, 0, "tensors")[0]))
    result.insert(index, axis(UNKNOWN, shape[index]))
    return tuple(result)


def _reduced(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    labels = find(args[0])
    if len(labels) == len(shape):
        return _sized(labels, shape)
    dims = _given(args, kwargs, 1, "dim", "axis")
    gone = {d % len(labels) for d in (dims if isinstance(dims, tuple | list) else [dims])}
    return tuple(label for i, label in enumerate(labels) if i not in gone)


def _without(name: str) -> Rule:
    """The rule of functions that remove one axis: `select`, `unbind`."""

    def rule(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
        labels = find(args[0])
        gone = (_given(args, kwargs, 1, name) or 0) % len(labels)
        return tuple(label for i, label in enumerate(labels) if i != gone)

    return rule


def _item(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return indexed(args[0], args[1], shape, find)


def _selected(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    """`index_select`."""
    labels = list(find(_given(args, kwargs, 0, "input")))
    dim, index = _given(args, kwargs, 1, "dim"), _given(args, kwargs, 2, "index")
    if {*kind_of(labels[dim])} & {BATCH, REORDERED}:
        labels[dim] = chosen(labels[dim], index)
    return _sized(labels, shape)


def _written(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    """Rows of one tensor written into another, as by `index_add_`."""
    target, source = find(args[0]), find(args[-1] if len(args) > 3 else kwargs.get("source"))
    if len(target) != len(source):
        return target
    index = _given(args, kwargs, 1, "dim")
    return tuple(
        label if i == index or known(label) else resized(other, shape[i])
        for i, (label, other) in enumerate(zip(target, source, strict=True))
    )


def _patches(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    """`torch.nn.functional.unfold`: an axis of channels x window, then an axis of positions."""
    batch = find(_given(args, kwargs, 0, "input"))[0]
    return batch, axis(NEURON, shape[1]), axis(POSITION, shape[2])


def _windows(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    """`Tensor.unfold`: one more axis, of positions."""
    return _sized((*find(args[0]), axis(POSITION, 1)), shape)


def _no_rule(args: Any, kwargs: Any, shape: Shape, find: Find) -> Labels:
    return unknown(shape)


def _named(rule: Rule, names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), rule)


NO_RULE = "rot90 as_strided fold gather_nd tensordot cdist kron outer sparse_coo_tensor repeat tile"
RULES: dict[str, Rule] = {
    **_named(_linear, "linear bilinear"),
    **_named(_convolution(1), "conv1d conv_transpose1d"),
    **_named(_convolution(2), "conv2d conv_transpose2d"),
    **_named(_convolution(3), "conv3d conv_transpose3d"),
    **_named(_channels(1), "batch_norm group_norm instance_norm local_response_norm prelu"),
    **_named(_channels(-1), "layer_norm rms_norm"),
    **_named(
        _same_axes,
        "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d "
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d "
        "adaptive_max_pool2d adaptive_max_pool3d max_pool1d_with_indices max_pool2d_with_indices "
        "max_pool3d_with_indices interpolate upsample upsample_nearest2d upsample_bilinear2d pad "
        "narrow chunk split split_with_sizes tensor_split glu pixel_shuffle "
        "pixel_unshuffle grid_sample repeat_interleave topk sort gather take_along_dim roll flip",
    ),
    **_named(_embedding, "embedding one_hot"),
    **_named(_recurrent, "lstm gru rnn_tanh rnn_relu"),
    **_named(_attention, "scaled_dot_product_attention"),
    **_named(_multi_head_attention, "multi_head_attention_forward"),
    **_named(_product, "matmul bmm mm"),
    **_named(_affine, "addmm baddbmm"),
    **_named(_einsum, "einsum"),
    **_named(_permute, "permute"),
    **_named(_transpose, "transpose swapaxes swapdims"),
    **_named(_turned, "T mT H mH t adjoint"),
    **_named(_movedim, "movedim moveaxis"),
    **_named(_reshape, "reshape view flatten unflatten reshape_as view_as ravel"),
    **_named(_unsqueeze, "unsqueeze"),
    **_named(_squeeze, "squeeze"),
    **_named(_expand, "expand expand_as broadcast_to"),
    **_named(_join, "cat concat concatenate"),
    **_named(_stack, "stack"),
    **_named(
        _reduced,
        "mean sum amax amin max min prod std var norm logsumexp argmax argmin median any all",
    ),
    **_named(_without("dim"), "select unbind"),
    **_named(_item, "getitem"),
    **_named(_selected, "index_select"),
    **_named(_written, "index_add index_copy scatter scatter_add"),
    **_named(_patches, "unfold_patches"),
    **_named(_windows, "unfold"),
    **_named(_no_rule, NO_RULE),
}
