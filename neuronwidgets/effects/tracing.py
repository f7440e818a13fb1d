"""Follows a layer's neurons through one pass, along linear operations only.

A tensor has a route if it holds the neurons, or linear maps of them, plus anything else: as a
residual stream does. Norms count as linear with their scale held fixed. Where anything else touches
the neurons, as an activation function does, the route ends. No module is known by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from neuronwidgets.core.compat import dispatch_mode
from neuronwidgets.effects.route import Route, Step
from neuronwidgets.models.axes.tracker import tensors_of

MOST_PATHS = 32
"""More paths than these are not followed: a layer that is read many times has no simple effect."""

Rule = Callable[["RouteTracker", Any, Any, Any], "Route | None"]


class RouteTracker(dispatch_mode()):  # type: ignore[misc]
    """Inside its `with`, passes routes from the arguments of each operation to its results."""

    def __init__(self) -> None:
        super().__init__()
        self._routes: Any = WeakTensorKeyDictionary()
        self._dependent: Any = WeakTensorKeyDictionary()

    def feed(self, inputs: Any) -> None:
        """These tensors depend on the data; all that is not computed from them is constant."""
        for tensor in tensors_of(inputs):
            self._dependent[tensor] = True

    def start(self, tensor: torch.Tensor, axis: int) -> None:
        """The neurons are on this axis of `tensor`."""
        self._routes[tensor] = Route(axis % tensor.ndim, ((),))

    def route(self, tensor: Any) -> Route | None:
        """The route to a tensor; `None` without one."""
        return self._routes.get(tensor) if isinstance(tensor, torch.Tensor) else None

    def linear(self, tensor: Any) -> Route | None:
        """The route to a tensor that is not capped: a capped one is a nonlinear function."""
        route = self.route(tensor)
        return None if route is None or route.capped else route

    def constant(self, value: Any) -> bool:
        """Whether a value is the same for all data."""
        return not isinstance(value, torch.Tensor) or value not in self._dependent

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::").partition(".")[0]
        given = tensors_of([args, kwargs])
        rule = None
        if any(tensor in self._routes for tensor in given):
            rule = RULES.get(name) or RULES.get(name.removesuffix("_"))
        before = args
        if rule is not None and name.endswith("_") and isinstance(args[0], torch.Tensor):
            # The operation changes this tensor, and the rule needs what it was.
            before = (args[0].clone(), *args[1:])
            for kept in (self._routes, self._dependent):
                if args[0] in kept:
                    kept[before[0]] = kept[args[0]]
        out = func(*args, **kwargs)
        results = tensors_of(out)
        if any(tensor in self._dependent for tensor in given):
            for tensor in results:
                self._dependent[tensor] = True
        route = None if rule is None else rule(self, before, kwargs, out)
        for i, tensor in enumerate(results):
            if route is not None and i == 0 and len(route.paths) <= MOST_PATHS:
                self._routes[tensor] = route
            elif tensor in self._routes and (name.endswith("_") or "out" in kwargs):
                del self._routes[tensor]
        return out


def _then(route: Route, step: Step) -> Route | None:
    """The route with one more step; `None` after a cap."""
    return None if route.capped else _extended(route, step)


def _extended(route: Route, step: Step) -> Route:
    return replace(route, paths=tuple((*path, step) for path in route.paths))


def _same(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    return track.route(args[0])


def _reshaped(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """The axis of the neurons keeps its size, and the sizes before it multiply to the same; or
    positions are flattened behind each neuron."""
    route, shape = track.route(args[0]), tuple(out.shape)
    assert route is not None
    before = args[0].shape
    ahead, size = math.prod(before[: route.axis]), before[route.axis]
    for axis in range(len(shape)):
        if shape[axis] == size and math.prod(shape[:axis]) == ahead:
            return replace(route, axis=axis)
    behind = math.prod(before[route.axis + 1 :])
    for axis in range(len(shape)):
        if shape[axis] == size * behind and math.prod(shape[:axis]) == ahead:
            flat = _then(route, Step(repeat=behind))
            return flat and replace(flat, axis=axis, pooled=True)
    return None


def _permuted(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    route, dims = track.route(args[0]), args[0].ndim
    assert route is not None
    if len(args) == 1:
        order = list(range(dims))[::-1]
    elif isinstance(args[1], list | tuple):
        order = [axis % dims for axis in args[1]]
    else:
        order = list(range(dims))
        first, second = args[1] % dims, args[2] % dims
        order[first], order[second] = order[second], order[first]
    return replace(route, axis=order.index(route.axis))


def _part(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """`slice`, `select` and `index_select`: of another axis than that of the neurons."""
    route = track.route(args[0])
    assert route is not None
    axis = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % args[0].ndim
    if axis == route.axis:
        whole = out.shape == args[0].shape
        return route if whole else None
    removed = out.ndim < args[0].ndim and axis < route.axis
    return replace(route, axis=route.axis - removed)


def _indexed(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """Indexing by tensors on axes that are side by side, as of the last token of each text."""
    route, indices = track.route(args[0]), list(args[1])
    assert route is not None
    given = [i for i, index in enumerate(indices) if index is not None]
    if not given or given != list(range(given[0], given[-1] + 1)) or route.axis in given:
        return None
    shift = out.ndim - args[0].ndim if route.axis > given[0] else 0
    return replace(route, axis=route.axis + shift)


def _averaged(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    route, dims = track.route(args[0]), args[0].ndim
    assert route is not None
    axes = args[1] if len(args) > 1 else kwargs.get("dim")
    if axes is None or route.capped:
        return None
    reduced = {axis % dims for axis in ([axes] if isinstance(axes, int) else axes)}
    if route.axis in reduced or not reduced:
        return None
    kept = out.ndim == dims
    shift = 0 if kept else sum(axis < route.axis for axis in reduced)
    return replace(route, axis=route.axis - shift, pooled=True)


def _pooled(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """Average pooling of the last axes of feature maps."""
    route = track.route(args[0])
    assert route is not None
    first = args[0].ndim - 2
    return None if route.capped or route.axis >= first else replace(route, pooled=True)


def _added(track: RouteTracker, args: Any, kwargs: Any, out: Any, sign: int = 1) -> Route | None:
    first, second = args[0], args[1]
    route, merged = track.linear(first), track.linear(second)
    factor = sign * kwargs.get("alpha", args[2] if len(args) > 2 else 1)
    if route is None:  # the neurons are in the second summand
        if merged is None:
            return None
        route, merged, first, second = _scaled(merged, float(factor)), None, second, first
        factor = 1
    if route is None or out.shape != first.shape:
        return None
    if merged is not None:
        if merged.axis != route.axis or second.shape != out.shape or factor != 1:
            return None
        both = route.paths + merged.paths
        return replace(route, paths=both, pooled=route.pooled or merged.pooled)
    summand = second if isinstance(second, torch.Tensor) else torch.tensor(float(second))
    summand = summand.detach().clone() * factor
    if track.constant(second) and _of_axis(summand, out, route.axis):
        return _then(route, Step(shift=summand.flatten()))
    return _then(route, Step(other=summand.expand(out.shape).movedim(route.axis, -1)))


def _subtracted(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    return _added(track, args, kwargs, out, -1)


def _multiplied(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    first, second = args[0], args[1]
    route = track.route(first)
    if route is None:
        route, first, second = track.route(second), second, first
    if route is None or track.route(second) is not None or out.shape != first.shape:
        return None
    return _factor(track, route, second, out)


def _divided(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    route = track.route(args[0])
    if route is None or track.route(args[1]) is not None or out.shape != args[0].shape:
        return None
    if kwargs.get("rounding_mode") is not None:
        return None
    inverse = 1 / args[1]
    if not track.constant(args[1]):
        track.feed(inverse)
    return _factor(track, route, inverse, out)


def _factor(track: RouteTracker, route: Route, factor: Any, out: Any) -> Route | None:
    """A number, a gain for each neuron, or a scale for each position."""
    constant = track.constant(factor)
    if not isinstance(factor, torch.Tensor):
        return _scaled(route, float(factor))
    factor = factor.detach()
    if constant and factor.numel() == 1:
        return _scaled(route, float(factor))
    if constant and _of_axis(factor, out, route.axis):
        return _then(route, Step(gain=factor.flatten().clone()))
    lead = (1,) * (out.ndim - factor.ndim)
    shape = (*lead, *factor.shape)
    if shape[route.axis] != 1:
        return None  # one factor for each neuron and position: a gate
    expanded = factor.reshape(shape).expand([1 if i == route.axis else n for i, n in
                                             enumerate(out.shape)])  # fmt: skip
    return _then(route, Step(scale=expanded.movedim(route.axis, -1).clone()))


def _scaled(route: Route, factor: float) -> Route | None:
    """A number, which may follow a cap if it keeps the order."""
    if factor == 1:
        return route
    return _extended(route, Step(scale=factor)) if factor > 0 or not route.capped else None


def _of_axis(tensor: torch.Tensor, out: torch.Tensor, axis: int) -> bool:
    """Whether `tensor` has one number for each neuron, the same at all positions; or one number."""
    if tensor.numel() == 1:
        return True
    shape = (1,) * (out.ndim - tensor.ndim) + tuple(tensor.shape)
    return all(n == (out.shape[axis] if i == axis else 1) for i, n in enumerate(shape))


def _matrix(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """`mm` and `bmm` of the neurons with a constant matrix."""
    left, right = args[0], args[1]
    route = track.route(left)
    if route is None or not track.constant(right) or route.axis != left.ndim - 1:
        return None
    if right.ndim == 3:
        if len(right) > 1 and right.stride(0) != 0:
            return None
        right = right[0]
    return _then(route, Step(matrix=right.detach()))


def _affine(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """`addmm`: a bias plus a product."""
    bias = args[0]
    if kwargs.get("beta", 1) != 1 or kwargs.get("alpha", 1) != 1:
        return None
    route = _matrix(track, args[1:], {}, out)
    if route is None or not track.constant(bias) or not _of_axis(bias, out, out.ndim - 1):
        return None
    return _then(route, Step(shift=bias.detach().flatten()))


def _convolved(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """A convolution with a kernel of one pixel, which is a matrix of channels."""
    route, weight, bias = track.route(args[0]), args[1], args[2]
    if route is None or route.axis != 1 or not track.constant(weight):
        return None
    plain = not args[6] and args[8] == 1 and not any(args[4]) and math.prod(weight.shape[2:]) == 1
    if not plain:
        return None
    return _then(route, Step(matrix=weight.detach().flatten(1).T,
                             shift=None if bias is None else bias.detach()))  # fmt: skip


def _layer_norm(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    route, (x, shape, weight, bias) = track.route(args[0]), args[:4]
    if route is None or route.axis != x.ndim - 1 or len(shape) != 1:
        return None
    return _then(route, Step(centred=True, scale=out[2].detach(), gain=weight, shift=bias))


def _rms_norm(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    route, (x, shape, weight) = track.route(args[0]), args[:3]
    if route is None or route.axis != x.ndim - 1 or len(shape) != 1:
        return None
    return _then(route, Step(scale=out[1].detach(), gain=weight))


def _batch_norm(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """Batch norm in eval mode: a gain and a shift for each channel."""
    route, (weight, bias, mean, variance) = track.route(args[0]), args[1:5]
    training = args[5] if isinstance(args[5], bool) else False
    if route is None or route.axis != 1 or mean is None or training:
        return None
    eps = args[-1] if isinstance(args[-1], float) else args[7]
    gain = (variance + eps).rsqrt() * (1 if weight is None else weight)
    return _then(route, Step(gain=gain, shift=(0 if bias is None else bias) - mean * gain))


def _capped(track: RouteTracker, args: Any, kwargs: Any, out: Any) -> Route | None:
    """A soft cap, which keeps the order. No linear map may follow it."""
    route = track.route(args[0])
    ended = None if route is None else _then(route, Step(cap=True))
    return None if ended is None else replace(ended, capped=True)


RULES: dict[str, Rule] = {
    **dict.fromkeys(
        ("clone", "_to_copy", "alias", "detach", "contiguous", "lift_fresh", "expand_copy"), _same
    ),
    **dict.fromkeys(
        ("view", "_unsafe_view", "reshape", "_reshape_alias", "unsqueeze", "squeeze", "expand"),
        _reshaped,
    ),
    **dict.fromkeys(("permute", "transpose", "t"), _permuted),
    **dict.fromkeys(("slice", "select", "index_select"), _part),
    **dict.fromkeys(("mean", "sum"), _averaged),
    **dict.fromkeys(("_adaptive_avg_pool2d", "avg_pool2d"), _pooled),
    **dict.fromkeys(("mm", "bmm"), _matrix),
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"),
        _batch_norm,
    ),
    "index": _indexed,
    "add": _added,
    "sub": _subtracted,
    "mul": _multiplied,
    "div": _divided,
    "addmm": _affine,
    "convolution": _convolved,
    "native_layer_norm": _layer_norm,
    "_fused_rms_norm": _rms_norm,
    "tanh": _capped,
}
"""What an operation does to the routes of its arguments. An operation without a rule ends them."""
