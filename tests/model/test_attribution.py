"""method="attribution": what the layer below contributed, and clusters of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neuronwidgets as nw
from neuronwidgets.concepts.methods.contributions import contributions
from neuronwidgets.concepts.methods.registry import METHODS
from neuronwidgets.data.batches import batches
from neuronwidgets.data.select import selected

TEXTS = ["the cat sat on the mat", "the mat", "cat play player plays", "on the cat", "player",
         "the the cat", "mat on mat on mat", "cat, cat"]  # fmt: skip


class Circuits(nn.Module):
    """Neuron 0 of `top` adds up two units of `low`; the others answer to something else."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Linear(6, 6, bias=False), nn.ReLU())
        self.top = nn.Sequential(nn.Linear(6, 5, bias=False), nn.ReLU())
        with torch.no_grad():
            self.low[0].weight.copy_(torch.eye(6))
            self.top[0].weight.zero_()
            self.top[0].weight[0, :2] = 1
            self.top[0].weight[1:, 2:] = torch.eye(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.top(self.low(x))
        return out


def inputs(samples: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Either the first or the second unit is on; beside that, two groups that mean nothing."""
    rng = np.random.default_rng(0)
    circuit = np.arange(samples) % 2
    x = rng.uniform(0, 0.3, (samples, 6)).astype(np.float32)
    x[:, :2] = 0
    x[np.arange(samples), circuit] = rng.uniform(4, 5, samples)
    x[np.arange(samples), 2 + rng.integers(0, 2, samples)] += 3
    return x, circuit


def captured(model: nn.Module, data: Any, layer: str, **more: Any) -> nw.Activations:
    acts = nw.capture(model, data, layer, progress=False, **more)
    assert isinstance(acts, nw.Activations)
    return acts


def test_circuits_that_look_alike_in_the_layer_are_told_apart() -> None:
    x, circuit = inputs()
    model = Circuits()
    acts = captured(model, x, "top")
    by_layer = nw.split(acts, 0, top=80).cut()
    made = nw.split(acts, 0, top=80, method="attribution", model=model, data=x, below="low")
    concepts = made.cut()
    assert len(concepts) == len(by_layer) == 2
    assert adjusted_rand_score(circuit[made.index], concepts.assignment) == 1
    assert adjusted_rand_score(circuit[made.index], by_layer.assignment) < 0.1
    assert made.points is not None
    assert made.points.shape == (80, 6)
    np.testing.assert_allclose(np.linalg.norm(made.points, axis=1), 1, rtol=1e-6)
    assert concepts.vectors.shape == (2, 5)
    by_kmeans = nw.split(
        acts, 0, top=80, method="attribution", model=model, data=x, below="low", k=2
    )
    assert adjusted_rand_score(circuit[by_kmeans.index], by_kmeans.cut().assignment) == 1
    assert by_kmeans.chosen is not None
    assert by_kmeans.points is not None


def of(acts: nw.Activations, neuron: Any, model: nn.Module, below: str, **more: Any) -> Any:
    """The split's top samples and what the layer below contributed to them."""
    given: Any = nw.split(acts, neuron, top=min(8, len(acts)))
    return given, contributions(given, model, below, **more)


@pytest.mark.parametrize("below", ["0", "1", "3", "4"])
def test_without_biases_contributions_add_up_to_the_activation(below: str) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 16, bias=False), nn.ReLU(), nn.Linear(16, 12, bias=False),
        nn.ReLU(inplace=True), nn.Linear(12, 4, bias=False), nn.ReLU(inplace=True),
    )  # fmt: skip
    x = torch.randn(50, 5)
    acts = captured(model, x, "5")
    given, found = of(acts, 1, model, below, data=x)
    np.testing.assert_allclose(found.sum(1), given.activations, rtol=1e-4)
    assert found.shape[1] == {"0": 16, "1": 16, "3": 12, "4": 4}[below]


def slope(model: nn.Module, below: str, unit: int, activation: Callable[[], np.ndarray]) -> Any:
    """What the activation gains where a unit of a layer is larger by one part, by trying it."""
    module = model.get_submodule(below)
    found = []
    for factor in (1.01, 0.99):

        def edit(_module: nn.Module, _inputs: Any, output: Any, factor: float = factor) -> Any:
            tensor = output[0] if isinstance(output, tuple) else output
            scale = torch.ones(tensor.shape[1 if tensor.ndim == 4 else -1])
            scale[unit] = factor
            tensor = tensor * (scale[:, None, None] if tensor.ndim == 4 else scale)
            return (tensor, *output[1:]) if isinstance(output, tuple) else tensor

        handle = module.register_forward_hook(edit)
        found.append(activation().astype(np.float64))
        handle.remove()
    return (found[0] - found[1]) / 0.02


@pytest.mark.parametrize("pooling", ["mean", "max", "last", "cls", "token"])
@pytest.mark.parametrize("which", [3, "a direction"])
def test_contributions_are_what_a_unit_is_worth_in_bert(
    bert: Any, bert_tokenizer: Any, pooling: str, which: Any
) -> None:
    layer, below = "encoder.layer.2", "encoder.layer.0"
    neuron = np.linspace(-1, 1, 16) if which == "a direction" else which
    more = {"tokenizer": bert_tokenizer, "pooling": pooling}
    acts = captured(bert, TEXTS, layer, **more)
    given, found = of(acts, neuron, bert, below, data=TEXTS, processor=bert_tokenizer, batch_size=3)
    assert found.shape == (8, 16)
    for changed in (0, 7):
        expected = slope(
            bert, below, changed, lambda: captured(bert, TEXTS, layer, **more).along(neuron)
        )
        np.testing.assert_allclose(found[:, changed], expected[given.index], atol=2e-3)
    # Texts that the activations hold themselves need not be given again.
    _, again = of(acts, neuron, bert, below, processor=bert_tokenizer)
    np.testing.assert_allclose(again, found, atol=1e-5)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.one = nn.Conv2d(1, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.two = nn.Conv2d(6, 5, 3)
        self.end = nn.Linear(5, 3)
        self.without = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu_(self.norm(self.one(x)))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.without):
            h = self.two(nn.functional.max_pool2d(h, 2))
        out: torch.Tensor = self.end(h.relu().mean((2, 3)))
        return out


def pictures(count: int = 30) -> torch.Tensor:
    return torch.rand(count, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("pooling", ["mean", "max", "token"])
def test_contributions_are_what_a_channel_is_worth_in_a_cnn(pooling: str) -> None:
    model, x = Small().eval(), pictures()
    acts = captured(model, x, "two", pooling=pooling)
    given, found = of(acts, 2, model, "norm", data=x)
    expected = slope(model, "norm", 4, lambda: captured(model, x, "two", pooling=pooling).along(2))
    np.testing.assert_allclose(found[:, 4], expected[given.index], atol=1e-4)


def test_the_model_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = Small(), pictures()
    acts = captured(model, x, "two")
    expected = of(acts, 2, model, "norm", data=x)[1]
    model.norm.eval()
    for parameter in model.two.parameters():
        parameter.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [part.training for part in model.modules()]
    for around in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with around:
            found = of(acts, 2, model, "norm", data=x)[1]
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert modes == [part.training for part in model.modules()]
    assert all(parameter.grad is None for parameter in model.parameters())
    needs = [parameter.requires_grad for parameter in model.parameters()]
    assert needs == [True] * 4 + [False] * 2 + [True] * 2
    assert all(not part._forward_hooks for part in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("kind", ["array", "tensor", "batches", "loader", "set", "images"])
def test_data_of_any_kind_will_do(kind: str) -> None:
    model = Small()
    x = (pictures() * 255).byte().float() / 255 if kind == "images" else pictures()
    data: dict[str, Any] = {
        "array": x.numpy(),
        "tensor": x,
        "batches": [x[:7], x[7:13], x[13:]],
        "loader": DataLoader(TensorDataset(x, torch.arange(30)), batch_size=4),
        "set": TensorDataset(x, torch.arange(30)),
        "images": [(image[0] * 255).byte().numpy() for image in x],
    }
    acts = captured(model, data[kind], "two", pooling="token")
    _, found = of(acts, 2, model, "norm", data=data[kind], batch_size=4)
    expected = of(captured(model, x, "two", pooling="token"), 2, model, "norm", data=x)[1]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if kind == "images":
        _, again = of(acts, 2, model, "norm")
        np.testing.assert_allclose(again, expected, atol=1e-5)


def test_windows_of_texts_and_activations_on_disk(
    bert: Any, bert_tokenizer: Any, tmp_path: Path
) -> None:
    more = {"tokenizer": bert_tokenizer, "long": "windows", "max_length": 5}
    acts = captured(bert, TEXTS, "encoder.layer.1", **more)
    assert len(acts) > len(TEXTS)
    _, found = of(acts, 3, bert, "encoder.layer.0", processor=bert_tokenizer)
    acts.save(tmp_path / "acts", "float16")
    loaded = nw.Activations.load(tmp_path / "acts")
    _, again = of(loaded, 3, bert, "encoder.layer.0", processor=bert_tokenizer)
    np.testing.assert_allclose(again, found, atol=1e-5)
    with pytest.raises(ValueError, match=r"windows of texts.*leave data out"):
        of(acts, 3, bert, "encoder.layer.0", data=TEXTS, processor=bert_tokenizer)


def test_a_model_that_went_through_compile_will_do() -> None:
    model, x = Small(), pictures()
    acts = captured(model, x, "two")
    compiled: Any = torch.compile(model, backend="eager")
    np.testing.assert_allclose(
        of(acts, 2, compiled, "norm", data=x)[1], of(acts, 2, model, "norm", data=x)[1], atol=1e-6
    )


def test_a_neuron_that_is_at_rest_has_no_contributions() -> None:
    x, _ = inputs()
    model = Circuits()
    with torch.no_grad():
        model.top[0].weight[0] = -1
    made = nw.split(
        captured(model, x, "top"), 0, method="attribution", top=80, model=model, below="low", data=x
    )
    assert made.at_rest
    assert len(made.cut()) == 0


def refused(words: str, **change: Any) -> None:
    model, x = change.pop("model", None) or Small(), change.pop("data", pictures())
    acts = change.pop("acts", None) or captured(Small(), pictures(), "two")
    settings = {"below": "norm", "data": x, "model": model, **change}
    with pytest.raises((ValueError, TypeError, RuntimeError), match=words):
        nw.split(acts, 2, method="attribution", **settings)
    assert isinstance(model, str) or all(not part._forward_hooks for part in model.modules())


def test_what_cannot_be_attributed_is_refused() -> None:
    refused("below='two' is the neuron's own layer", below="two")
    refused("below='end' gave no output before layer 'two' did", below="end")
    refused("layer 'nrm' does not exist in Small. Nearest: 'norm'", below="nrm")
    refused("model must be a torch.nn.Module, got a str", model="bert")
    bare = nw.Activations.from_arrays(captured(Small(), pictures(), "two").values, layer="two")
    refused("pass data=, the data that the activations were captured from", data=None, acts=bare)
    refused("data must have sample 29 .*, got 20 samples", data=pictures(20))
    refused(
        "gives other activations .* sample .* neuron .* is .* now and was", data=pictures().flip(0)
    )
    refused("could not run on this data", data=torch.rand(30, 4))
    other = Small()
    with torch.no_grad():
        other.two.weight += 0.01
    refused("gives other activations .* largest difference", model=other)
    other = Small()
    other.two = nn.Conv2d(6, 9, 3)
    refused("has 9 neurons, and the activations have 5", model=other)
    without = Small()
    without.without = True
    refused("no gradient comes from layer 'two' to below='norm'", model=without)


def test_a_layer_that_returns_numbers_or_is_not_needed_is_refused() -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole, self.aside, self.top = nn.Identity(), nn.Linear(3, 3), nn.Linear(3, 5)

        def forward(self, x: torch.Tensor) -> Any:
            self.aside(x)
            self.whole(x.long())
            return self.top(x)

    torch.manual_seed(0)
    model, x = Aside(), torch.rand(30, 3)
    acts = captured(model, x, "top")
    refused("'whole' returns torch.int64", acts=acts, model=model, data=x, below="whole")
    refused("no gradient comes from layer 'top'", acts=acts, model=model, data=x, below="aside")


def test_the_guide_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = Path(__file__).parents[2] / "docs" / "guide" / "methods.md"
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 5
    model, data = Circuits(), inputs(200)[0]
    names = {"nw": nw, "model": model, "data": data, "acts": captured(model, data, "top")}
    names["embeddings"] = np.random.default_rng(0).normal(size=(200, 3))
    monkeypatch.setitem(METHODS, "by_text", METHODS["ward"])  # taken away again afterwards
    for block in blocks:
        exec(block, names)
    unique: Any = names["unique"]
    assert unique.shape[1] == 5
    np.fill_diagonal(near := unique @ unique.T, 0)
    assert near.max() < 0.95


def test_selected_batches_hold_what_was_asked_for_in_any_order(bert_tokenizer: Any) -> None:
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    places = [19, 3, 3, 0, 7]
    for data in (x, list(torch.from_numpy(x).split(6)), [f"{row[0]}" for row in x]):
        seen = {}
        text = isinstance(data, list) and isinstance(data[0], str)
        source = batches(data, processor=bert_tokenizer if text else None, batch_size=4)
        for batch, which in selected(source, places, 2):
            assert len(which) == batch.size
            first = batch.texts if text else batch.inputs[:, 0].tolist()
            seen.update(zip(which.tolist(), map(float, first), strict=True))
        assert seen == {i: 2.0 * place for i, place in enumerate(places)}
    assert list(selected(batches(x), [], 2)) == []
