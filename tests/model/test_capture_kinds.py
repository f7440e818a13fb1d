"""Models and layers of special kinds; windows of long texts; rows that are not finite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel, PreTrainedTokenizerBase

import neuronwidgets as nw

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(22, 5)).astype("f4")


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).eval()


@pytest.mark.parametrize("way", ["wrapped", "in place", "a part"])
def test_compiled_models_are_read_although_they_ran_before(way: str) -> None:
    plain = small()
    expected = read(plain, DATA, "1")
    model: Any = small()
    if way == "wrapped":
        model = torch.compile(model, backend="eager")
    elif way == "in place":
        model.compile(backend="eager")
    else:
        model = nn.Sequential(torch.compile(model[0], backend="eager"), model[1], model[2])
    with torch.no_grad():
        before = model(torch.from_numpy(DATA))
    assert len(nw.layers(model)) in (3, 4)
    for layer in ("1", "_orig_mod.1") if way == "wrapped" else ("1",):
        acts = read(model, DATA, layer)
        np.testing.assert_allclose(acts.values, expected.values, atol=1e-6)
    # Edits act on them, too, and only inside their `with`.
    with nw.ablate(model, "1", np.eye(7)[expected.values.mean(0).argmax()]), torch.no_grad():
        assert not torch.allclose(model(torch.from_numpy(DATA)), before)
    with torch.no_grad():
        assert torch.equal(model(torch.from_numpy(DATA)), before)


@pytest.mark.parametrize("names", ["annotation", "name"])
def test_a_model_that_takes_one_mapping(
    names: str, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    torch.manual_seed(0)
    bert = BertModel(BertConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=1, intermediate_size=24,
        num_attention_heads=2, max_position_embeddings=64,
    )).eval()  # fmt: skip

    class Sentences(nn.Module):  # as SentenceTransformer
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input: dict[str, torch.Tensor], **options: Any) -> dict[str, Any]:
            input["embedding"] = self.bert(**input).last_hidden_state[:, 0]
            return input

    class Trained(Sentences):  # as a module of Lightning
        def forward(self, batch):  # type: ignore[no-untyped-def,override]
            return super().forward(batch)

    model = Sentences() if names == "annotation" else Trained()
    texts = ["the cat sat on the mat", "play"]
    expected = read(bert, texts, "encoder.layer.0", tokenizer=bert_tokenizer)
    ready = [dict(bert_tokenizer(texts, padding=True, return_tensors="pt"))]
    for data in texts, ready:
        acts = read(model, data, "bert.encoder.layer.0", tokenizer=bert_tokenizer)
        np.testing.assert_array_equal(acts.values, expected.values)


def test_a_layer_that_returns_a_dataclass() -> None:
    @dataclass(frozen=True)
    class State:
        step: int
        hidden: torch.Tensor

    class Block(nn.Module):
        def forward(self, x: torch.Tensor) -> State:
            return State(1, x.relu())

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.map, self.block = nn.Linear(5, 7), Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            hidden: torch.Tensor = self.block(self.map(x)).hidden
            return hidden

    torch.manual_seed(0)
    model, x = Model().eval(), torch.from_numpy(DATA)
    expected = model(x).detach()
    np.testing.assert_allclose(read(model, DATA, "block").values, expected, atol=1e-6)
    with nw.mask_neurons(model, "block", [2]), torch.no_grad():
        masked = model(x)
    assert not masked[:, 2].any()
    assert torch.equal(masked[:, 3:], expected[:, 3:])


def test_a_model_spread_by_accelerate(
    bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=3, intermediate_size=24,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64,
    )  # fmt: skip
    model = LlamaModel(config).eval()
    model.save_pretrained(tmp_path / "model")
    # The embedding, the first thing that a pass needs, is on disk itself.
    places = {"embed_tokens": "disk", "layers.0": "cpu", "layers.1": "disk", "layers.2": "cpu",
              "norm": "cpu", "rotary_emb": "cpu"}  # fmt: skip
    spread = LlamaModel.from_pretrained(
        tmp_path / "model", device_map=places, offload_folder=tmp_path / "offload"
    )
    assert next(spread.parameters()).device.type == "meta"
    texts = ["the cat sat", "on the mat", "cat"]
    for layer in ("layers.1.mlp.act_fn", "layers.2"):
        found = read(spread, texts, layer, tokenizer=bert_tokenizer)
        expected = read(model, texts, layer, tokenizer=bert_tokenizer)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
    read(spread, texts, "layers.1", tokenizer=bert_tokenizer, out=tmp_path / "acts")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_models_in_every_collector_and_store(dtype: torch.dtype, tmp_path: Path) -> None:
    model = small().to(dtype)
    with torch.no_grad():
        expected = model[:2](torch.from_numpy(DATA).to(dtype)).float()
    acts = read(model, DATA, "1", out=tmp_path, dtype=str(dtype).removeprefix("torch."))
    # Nothing is lost by keeping what the model has.
    np.testing.assert_array_equal(np.asarray(acts.values), expected)
    top, moments = read(model, DATA, "1", collect=[nw.Top(3), nw.Moments()])
    np.testing.assert_array_equal(top.values, np.sort(expected.numpy(), 0)[::-1][:3].T)
    np.testing.assert_allclose(moments.mean, expected.mean(0), atol=1e-6)


class Twice(nn.Module):
    """A block whose weights are used at every depth, as in ALBERT."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.once = nn.Linear(5, 5), nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.once(self.block(self.block(self.block(x).relu()).relu()))


def test_which_of_a_layers_calls() -> None:
    torch.manual_seed(0)
    model = Twice().eval()
    x = torch.from_numpy(DATA)
    with torch.no_grad():
        first = model.block(x)
        second = model.block(first.relu())
        third = model.block(second.relu())
    for call, expected in enumerate([first, second, third]):
        acts = read(model, DATA, "block", call=call)
        np.testing.assert_allclose(acts.values, expected, atol=1e-6)
    with pytest.warns(
        UserWarning, match="'block' is called 3 times in one pass of Twice: its first"
    ):
        acts = read(model, DATA, "block")
    np.testing.assert_allclose(acts.values, first, atol=1e-6)
    assert acts.call == 0
    with pytest.raises(
        ValueError, match=r"call must be less than 3, got 3 .*'block' was called 3 times"
    ):
        read(model, DATA, "block", call=3)
    with pytest.raises(
        ValueError, match=r"call must be less than 1, got 1 .*'once' was called once"
    ):
        read(model, DATA, ["block", "once"], call=1)
    for call in (-1, 1.5, True):
        with pytest.raises(ValueError, match="call must be an integer"):
            read(model, DATA, "block", call=call)


def test_a_sparse_autoencoder_hooked_on_a_layer() -> None:
    class SAE(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = nn.Linear(7, 30), nn.Linear(30, 7)
            self.latents = nn.ReLU()

        def forward(self, x: torch.Tensor) -> dict[str, Any]:
            found = self.latents(self.encoder(x))
            return {"loss": 1.0, "latents": found, "rebuilt": self.decoder(found)}

    model = small()
    model.add_module("sae", SAE())
    handle = model[1].register_forward_hook(lambda _m, _i, out: model.sae(out)["rebuilt"])
    with torch.no_grad():
        expected = model.sae(model[1].forward(model[0](torch.from_numpy(DATA))))["latents"]
    for layer in ("sae.latents", "sae"):
        np.testing.assert_allclose(read(model, DATA, layer).values, expected, atol=1e-6)
    handle.remove()


# Long texts

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
LONG = [" ".join(RNG.choice(WORDS, n)) for n in (3, 40, 1, 25, 7)]


@pytest.fixture(scope="module")
def bert(bert_tokenizer: PreTrainedTokenizerBase) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(bert_tokenizer), hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=24, max_position_embeddings=12,
    )  # fmt: skip
    return BertModel(config).eval()


@pytest.mark.parametrize("out", [False, True])
@pytest.mark.parametrize("overlap", [0, 4])
def test_long_texts_in_windows(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    overlap: int,
    out: bool,
    tmp_path: Path,
) -> None:
    labels = ["a", "b", "c", "a", "b"]
    options = {"tokenizer": bert_tokenizer, "pooling": "token", "long": "windows"}
    acts = read(bert, LONG, "encoder.layer.0", labels=labels, overlap=overlap,
                out=tmp_path if out else None, **options)  # fmt: skip
    texts, origin = acts.samples.texts, acts.samples.origin
    assert origin.tolist() == sorted(origin)
    for number, text in enumerate(LONG):
        parts = [t for t, o in zip(texts, origin, strict=True) if o == number]
        words = [part.split() for part in parts]
        # All words are there, once but for the overlap, ten to a window (two are special tokens).
        assert all(len(part) <= 10 for part in words)
        whole = words[0]
        for part in words[1:]:
            assert overlap == 0 or part[:overlap] == whole[-overlap:]
            whole = whole + part[overlap:]
        assert whole == text.split()
    item = acts.samples.item
    assert [acts.label_names[code] for code in acts.labels] == [labels[origin[i]] for i in item]
    # Each window is as that text alone.
    alone = read(bert, list(texts), "encoder.layer.0", tokenizer=bert_tokenizer, pooling="token")
    np.testing.assert_allclose(np.asarray(acts.values), alone.values, atol=1e-5)
    if not out:
        mean = read(bert, LONG, "encoder.layer.0", labels=labels, overlap=overlap,
                    collect=nw.Reservoir(99), **options | {"pooling": "mean"})  # fmt: skip
        assert mean[0].seen == len(texts)
        assert [mean.label_names[code] for code in mean[0].label] == [labels[o] for o in origin]


def test_texts_without_spaces_and_wrong_windows(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase
) -> None:
    glued = "playplayplay" * 9
    options = {"tokenizer": bert_tokenizer, "long": "windows"}
    acts = read(bert, [glued], "pooler", **options)
    assert "".join(acts.samples.texts) == glued
    for words, change in {
        "overlap must be a whole number from 0 to 9, less than .*, got 10": {"overlap": 10},
        "overlap= works with long='windows' only": {"overlap": 3, "long": "cut"},
        "long must be 'cut' or 'windows'; got 'split'": {"long": "split"},
        "labels must have one entry per sample, got 2 for 1 samples": {"labels": ["a", "b"]},
    }.items():
        with pytest.raises(ValueError, match=words):
            read(bert, [glued], "pooler", **options | change)


# NaN


class Broken(nn.Module):
    """Gives NaN and infinity for some rows."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = x.clone()
        out[..., 2][x[..., 0] == 7] = torch.nan
        out[..., 1][x[..., 0] == 8] = -torch.inf
        return self.last(out)


@pytest.mark.parametrize("out", [False, True])
def test_rows_that_are_not_finite_are_left_out_and_said(out: bool, tmp_path: Path) -> None:
    data = DATA.copy()
    data[[3, 9], 0], data[10, 0] = 7, 8
    options: dict[str, Any] = {"labels": ["a", "b"] * 11}
    if out:
        options |= {"out": tmp_path, "dtype": "int8"}
    acts = read(Broken(), data, "last", nonfinite="exclude", **options)
    assert acts.excluded.tolist() == [[3, -1], [9, -1], [10, -1]]
    kept = [i for i in range(22) if i not in (3, 9, 10)]
    np.testing.assert_allclose(np.asarray(acts.values), data[kept], atol=0.1 if out else 0)
    assert acts.samples.item.tolist() == kept
    assert acts.labels.tolist() == [i % 2 for i in kept]
    again = read(Broken(), data, "last", nonfinite="exclude", **options)
    np.testing.assert_array_equal(again.excluded, acts.excluded)
    # A map: some positions only.
    maps = np.stack([data, DATA], 1)
    acts = read(Broken(), maps, "last", pooling="token", nonfinite="exclude", neuron_axis=-1)
    assert acts.excluded.tolist() == [[3, 0], [9, 0], [10, 0]]
    assert len(acts) == 41
    top, rows = read(Broken(), data, "last", nonfinite="exclude", collect=[nw.Top(2), nw.Rows()])
    assert top.seen == len(rows) == 19
    np.testing.assert_array_equal(rows.excluded[:, 0], [3, 9, 10])


def test_rows_that_are_not_finite_are_refused_at_once(tmp_path: Path) -> None:
    data = DATA.copy()
    data[9, 0] = 8
    words = "sample 9, neuron 1 is infinite .1 of 4 rows of its batch are not finite"
    for options in ({}, {"out": tmp_path}, {"collect": nw.Top(3), "nonfinite": "refuse"}):
        with pytest.raises(nw.CaptureError, match=words) as error:
            read(Broken(), data, "last", **options)
        assert error.value.samples.tolist() == [9]
        found = error.value.so_far
        assert (found.samples if "collect" in options else len(found)) == 8
    # Collectors count them themselves.
    (moments,) = read(Broken(), data, "last", collect=nw.Moments())
    assert moments.excluded.tolist() == [0, 1, 0, 0, 0]
    with pytest.raises(ValueError, match="nonfinite must be 'refuse' or 'exclude'; got 'drop'"):
        read(Broken(), data, "last", nonfinite="drop")
    with pytest.raises(ValueError, match="every row holds NaN"):
        read(Broken(), np.full((4, 5), 7, "f4"), "last", nonfinite="exclude")
