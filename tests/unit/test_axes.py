"""Which axis of a layer's output is what: labels through reshapes, functions, whole models."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from neuronwidgets.data.batch import Batch
from neuronwidgets.models.axes import Layout, Tracker, layout_of
from neuronwidgets.models.axes.labels import axis, kind_of, reshaped, unknown
from neuronwidgets.models.axes.layout import own_axis
from neuronwidgets.models.outputs import check_axes, checked, rows_of

SIZES = {"b": 4, "p": 6, "n": 10}


def labelled(kinds: str) -> tuple[Tracker, torch.Tensor]:
    tracker = Tracker()
    tensor = torch.randn([SIZES[kind] for kind in kinds])
    tracker.set(tensor, tuple(axis(kind, SIZES[kind]) for kind in kinds))
    return tracker, tensor


def kinds_after(kinds: str, function: Callable[[torch.Tensor], Any]) -> tuple[str, ...]:
    tracker, tensor = labelled(kinds)
    with tracker:
        out = function(tensor)
    return tuple(map(kind_of, tracker.labels(out)))


@given(st.data())
def test_labels_follow_coordinates_through_reshapes_and_permutations(data: st.DataObject) -> None:
    """A reference that knows no rule: each kind's own coordinate, sent through the same functions.
    An axis holds a kind exactly if that kind's coordinate changes along it."""
    tracker, tensor = labelled("bpn")
    coordinates = {
        kind: torch.arange(SIZES[kind]).view([-1 if i == place else 1 for i in range(3)])
        .expand(tensor.shape).clone()
        for place, kind in enumerate("bpn")
    }  # fmt: skip
    for _ in range(data.draw(st.integers(1, 4))):
        step: Callable[[torch.Tensor], torch.Tensor]
        if data.draw(st.booleans()):
            order = data.draw(st.permutations(range(tensor.ndim)))
            step = lambda t, order=order: t.permute(order)  # noqa: E731
        else:
            shape = data.draw(factors(tensor.numel()))
            step = lambda t, shape=shape: t.reshape(shape)  # noqa: E731
        with tracker:
            tensor = step(tensor)
        coordinates = {kind: step(values) for kind, values in coordinates.items()}
    for place, label in enumerate(tracker.labels(tensor)):
        found = set(kind_of(label)) - {"?"}
        if kind_of(label) == "?":
            continue
        along = {
            kind
            for kind, values in coordinates.items()
            if (values != values.narrow(place, 0, 1)).any()
        }
        assert along == found


@st.composite
def factors(draw: st.DrawFn, size: int) -> list[int]:
    """A shape with `size` elements."""
    shape = []
    while size > 1 and len(shape) < 4:
        divisor = draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0]))
        shape.append(divisor)
        size //= divisor
    return [*shape, size]


def test_what_was_merged_is_split_again() -> None:
    labels = (axis("b", 4), axis("p", 6), axis("n", 10))
    merged = reshaped(labels, (24, 10))
    assert tuple(map(kind_of, merged)) == ("bp", "n")
    assert reshaped(merged, (4, 6, 10)) == labels
    # Heads: neurons in two axes, and one again.
    heads = reshaped(labels, (4, 6, 2, 5))
    assert tuple(map(kind_of, heads)) == ("b", "p", "n", "n")
    assert tuple(map(kind_of, reshaped(heads, (4, 6, 10)))) == ("b", "p", "n")
    # What does not fit is unknown, as is what has no elements.
    assert reshaped(labels, (16, 15)) == unknown((16, 15))
    assert reshaped(labels, (0, 10)) == unknown((0, 10))
    # A batch of one sample stays a batch.
    one = (axis("b", 1), axis("p", 6), axis("n", 10))
    assert tuple(map(kind_of, reshaped(one, (6, 10)))) == ("bp", "n")


W = torch.randn(10, 7)


@pytest.mark.parametrize(
    ("kinds", "function", "expected"),
    [
        ("bpn", lambda x: F.linear(x, W.T), "bpn"),
        ("bpn", lambda x: x @ W, "bpn"),
        ("bpn", lambda x: torch.addmm(torch.zeros(7), x.view(-1, 10), W), ["bp", "n"]),
        ("bpn", lambda x: torch.einsum("bpd,df->bpf", x, W), "bpn"),
        ("bpn", lambda x: torch.einsum("bpd,df->bfp", x, W), "bnp"),
        # Token mixing: the units are those of the map, the neurons are its positions.
        ("bpn", lambda x: F.linear(x.transpose(1, 2), torch.zeros(9, 6)), ["b", "n", "m"]),
        ("bnp", lambda x: F.conv1d(x, torch.zeros(3, 10, 2)), "bnp"),
        ("bnp", lambda x: F.conv1d(x, torch.zeros(3, 10, 2)).relu().mean(-1), "bn"),
        ("bnp", lambda x: F.max_pool1d(x, 2), "bnp"),
        ("bnp", lambda x: F.interpolate(x, 9), "bnp"),
        ("bpn", lambda x: F.layer_norm(x, (10,)), "bpn"),
        ("bpn", lambda x: x.softmax(-1) * 3 + x, "bpn"),
        ("bpn", lambda x: x + torch.zeros(6, 10), "bpn"),
        ("bpn", lambda x: torch.zeros(6, 10) + x, "bpn"),
        ("bpn", lambda x: x[:, 0], "bn"),
        ("bpn", lambda x: x[:, 1:], "bpn"),
        ("bpn", lambda x: x[..., None, :3], ["b", "p", "?", "n"]),
        ("bpn", lambda x: x[:, [2, 0]], "bpn"),
        ("bpn", lambda x: x[torch.tensor([2, 0])], ["?", "p", "n"]),
        ("bpn", lambda x: x[:2], ["?", "p", "n"]),
        ("bpn", lambda x: x[x > 0], ["?"]),
        ("bpn", lambda x: torch.cat([torch.zeros(4, 1, 10), x], 1), "bpn"),
        ("bpn", lambda x: torch.stack([x, x], 1), ["b", "?", "p", "n"]),
        ("bpn", lambda x: x.mean(1), "bn"),
        ("bpn", lambda x: x.amax((1,), keepdim=True), ["b", "p", "n"]),
        ("bpn", lambda x: x.max(1).values, "bn"),
        ("bpn", lambda x: x.unbind(1)[0], "bn"),
        ("bpn", lambda x: x.chunk(2, -1)[1], "bpn"),
        ("bpn", lambda x: F.glu(x), "bpn"),
        ("bpn", lambda x: x.movedim(-1, 1), "bnp"),
        ("bpn", lambda x: x.mT, "bnp"),
        ("bpn", lambda x: x.swapaxes(0, 1), "pbn"),
        ("bpn", lambda x: x.unsqueeze(1).expand(-1, 3, -1, -1), ["b", "?", "p", "n"]),
        ("bpn", lambda x: x.unsqueeze(1).squeeze(1), "bpn"),
        ("bpn", lambda x: F.scaled_dot_product_attention(x, x, x), "bpn"),
        ("bpn", lambda x: x @ x.mT, "bpp"),
        ("bpn", lambda x: x.clone().relu_().add_(1), "bpn"),
        ("bpn", lambda x: x.tile(1, 1, 2), "???"),
        ("bp", lambda x: F.embedding(x.abs().long(), torch.zeros(9, 3)), "bpn"),
        ("bp", lambda x: torch.zeros(9, 3)[x.abs().long()], "bpn"),
        ("bp", lambda x: torch.zeros(9, 3)[x.abs().long(), :], "bpn"),
        ("bp", lambda x: torch.zeros(9, 3)[x.abs().long(), ...], "bpn"),
        ("bp", lambda x: F.one_hot(x.abs().long()), "bpn"),
        ("bpn", lambda x: torch.einsum("bpd, dk -> bkp", x, torch.zeros(10, 3)), "bnp"),
        ("bpn", lambda x: torch.einsum("...d,dk->...k", x, torch.zeros(10, 3)), "bpn"),
        ("bpn", lambda x: torch.einsum("b...,...->b...", x, torch.zeros(10)), "bpn"),
        ("bpn", lambda x: torch.einsum("bpd,hdk->bphk", x, torch.zeros(2, 10, 3)), "bpnn"),
        ("bpn", lambda x: torch.einsum("bid,bjd->bij", x, x), "bpp"),
    ],
)  # fmt: skip
def test_functions(kinds: str, function: Any, expected: Any) -> None:
    assert kinds_after(kinds, function) == tuple(expected)


@pytest.mark.parametrize("first", [True, False])
def test_recurrent_layers(first: bool) -> None:
    kinds = "bpn" if first else "pbn"
    for kind in (nn.LSTM, nn.GRU, nn.RNN):
        layer = kind(10, 3, batch_first=first, bidirectional=True)
        assert kinds_after(kinds, lambda x, layer=layer: layer(x)[0]) == tuple(kinds)


def test_what_cannot_be_followed_is_unknown_and_changes_nothing() -> None:
    def through_numpy(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(2 * x.numpy())

    assert kinds_after("bpn", through_numpy) == ("?", "?", "?")
    tracker, x = labelled("bpn")
    with tracker:
        assert torch.equal(torch.as_strided(x, (2, 2), (1, 2)), x.as_strided((2, 2), (1, 2)))
        assert torch.tensor([1.0]).item() == 1


def named(name: str, base: type[nn.Module] = nn.Module, **attributes: object) -> nn.Module:
    module = type(name, (base,), {"__init__": lambda self: nn.Module.__init__(self)})()
    for key, value in attributes.items():
        setattr(module, key, value)
    return module


@pytest.mark.parametrize(
    ("module", "shape", "axis"),
    [
        (nn.Conv2d(3, 8, 3), (2, 8, 5, 5), 1),
        (nn.Conv1d(3, 8, 3), (2, 8, 5), 1),
        (nn.ConvTranspose1d(3, 8, 3), (2, 8, 5), 1),
        (nn.LazyConv1d(8, 3), (2, 8, 5), 1),
        (nn.Conv3d(3, 8, 3), (2, 8, 4, 4, 4), 1),
        (nn.BatchNorm1d(8), (2, 8, 5), 1),
        (nn.GroupNorm(2, 8), (2, 8, 5), 1),
        (nn.InstanceNorm1d(8), (2, 8, 5), 1),
        (nn.MaxPool1d(2), (2, 8, 5), 1),
        (nn.AdaptiveAvgPool1d(2), (2, 8, 2), 1),
        (nn.Linear(3, 8), (2, 8), 1),
        (nn.Linear(3, 8), (2, 5, 8), 2),
        (nn.Linear(3, 8), (2, 5, 5, 8), 3),
        (nn.LayerNorm(8), (2, 5, 5, 8), 3),
        (nn.RMSNorm(8), (2, 5, 8), 2),
        (nn.Embedding(3, 8), (2, 5, 8), 2),
        (nn.ReLU(), (2, 5, 8), None),
        (nn.Identity(), (2, 8), None),
        (named("LlamaRMSNorm"), (2, 5, 8), 2),
        # Hugging Face's Conv1D is a linear layer, ConvBERT a transformer.
        (named("Conv1D"), (2, 5, 8), 2),
        (named("ConvBertLayer"), (2, 5, 8), None),
        (named("Wav2Vec2LayerNormConvLayer"), (2, 8, 5), 1),
        (named("LayerNorm2d", nn.LayerNorm), (2, 8, 5, 5), 1),
        (named("ConvNextLayerNorm", data_format="channels_first"), (2, 8, 5, 5), 1),
        (named("ConvNextLayerNorm", data_format="channels_last"), (2, 5, 5, 8), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_the_axis_that_a_class_defines(
    module: nn.Module, shape: tuple[int, ...], axis: int | None
) -> None:
    assert own_axis(module, len(shape)) == axis


LAYOUTS = [("b", "p", "n"), ("b", "n", "p"), ("p", "b", "n"), ("b", "n", "p", "p"), ("bp", "n"),
           ("b", "p", "p", "n"), ("bp", "p", "n"), ("pb", "n"), ("b", "n"), ("n", "b")]  # fmt: skip


@pytest.mark.parametrize("kinds", LAYOUTS)
def test_rows_and_the_output_that_they_come_from(kinds: tuple[str, ...]) -> None:
    batch, positions, neurons = 3, itertools.cycle([4, 5]), 7
    sizes = {"b": batch, "n": neurons}
    parts = [[(k, sizes.get(k) or next(positions)) for k in kind] for kind in kinds]
    shape = [math.prod(size for _, size in part) for part in parts]
    tensor = torch.arange(math.prod(shape), dtype=torch.float32).view(shape)
    layout = Layout(kinds)
    rows = layout.rows(tensor, batch)
    assert rows.shape[0] == batch
    assert rows.shape[-1] == neurons
    assert torch.equal(layout.output(rows, shape, batch), tensor)
    # Sample 1 of the rows is what has the batch coordinate 1.
    flat = [part for group in parts for part in group]
    apart = tensor.view([size for _, size in flat])
    place = [kind for kind, _ in flat].index("b")
    assert set(rows[1].flatten().tolist()) == set(apart.select(place, 1).flatten().tolist())
    place = [kind for kind, _ in flat].index("n")
    assert set(rows[..., 2].flatten().tolist()) == set(apart.select(place, 2).flatten().tolist())


def test_the_users_axes_win() -> None:
    labels = (axis("b", 4), axis("n", 6), axis("p", 10))

    def found(**axes: int) -> Layout | None:
        return layout_of(nn.ReLU(), labels, (4, 6, 10), 4, **axes)

    assert found() == Layout(("b", "n", "p"))
    assert found(neuron_axis=2) == found(neuron_axis=-1) == Layout(("b", "p", "n"))
    nothing = unknown((6, 4, 10))
    assert layout_of(nn.ReLU(), nothing, (6, 4, 10), 4) is None
    assert layout_of(nn.ReLU(), nothing, (6, 4, 10), 4, batch_axis=1, neuron_axis=2) == Layout(
        ("p", "b", "n")
    )


def test_wrong_axes_are_refused() -> None:
    for wrong in (4, -5, 9):
        with pytest.raises(
            ValueError, match=f"neuron_axis must be from -4 to 3, got {wrong}: .*'fc'"
        ):
            check_axes((2, 3, 4, 5), "fc", wrong, None)
    with pytest.raises(ValueError, match="neuron_axis=0 is the batch axis"):
        check_axes((2, 3, 4, 5), "fc", 0, None)
    check_axes((2, 3, 4, 5), "fc", 0, 1)


def test_unclear_axes_are_refused() -> None:
    batch = Batch(None, 2)
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\) for a batch of 2.*pass neuron_axis="):
        rows_of(torch.zeros(2, 3, 4), "fc", None, batch)
    with pytest.raises(ValueError, match="belongs to experts"):
        rows_of(torch.zeros(2, 3, 4), "mlp.experts.0", None, batch)
    # A layout of another batch.
    with pytest.raises(ValueError, match="no axis has the size of the batch"):
        rows_of(torch.zeros(3, 3, 4), "fc", Layout(("b", "p", "n")), batch)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(()), r"layer 'fc' must return at least a batch axis .* got shape \(\)"),
        (torch.zeros(5), r"at least a batch axis and a neuron axis, got shape \(5,\)"),
        (
            torch.zeros(2, 5, dtype=torch.int64),
            r"must return floating point numbers, got torch.int64",
        ),
        (torch.zeros(2, 5, dtype=torch.bool), r"got torch\.bool"),
    ],
)
def test_what_has_no_neurons_is_refused(output: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked(output, "fc")
