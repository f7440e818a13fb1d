"""Capture into a folder: the same as in memory, after any crash, and nobody else's data."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets as hf
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertModel, PreTrainedTokenizerBase

import neuronwidgets as nw
from neuronwidgets.activations.store import writer as writing
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing import to_disk as disk
from neuronwidgets.capturing.engine import Run
from neuronwidgets.capturing.rows import ToHost
from neuronwidgets.capturing.to_disk import Pace

WORDS = ["the", "cat", "sat", "on", "mat", "play"]
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(WORDS, n)) for n in RNG.integers(1, 20, 70)]
LABELS = [str(RNG.choice(["a", "b", "c"])) for _ in TEXTS]
LAYERS = ["encoder.layer.0.intermediate", "encoder.layer.1"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "SHARD", 3)


def read(model: nn.Module, data: Any, layer: Any = LAYERS[1], **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in a folder."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def same(found: nw.Activations, expected: nw.Activations, direction: bool = True) -> None:
    np.testing.assert_array_equal(np.asarray(found.values), expected.values)
    for name in ("item", "token", "origin", "place"):
        mine, other = getattr(found.samples, name), getattr(expected.samples, name)
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_array_equal(mine, other)
    assert list(found.samples.texts) == list(expected.samples.texts)
    assert len(found.samples.images) == len(expected.samples.images)
    for a, b in zip(found.samples.images, expected.samples.images, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(found.samples.spans, expected.samples.spans, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.label_names == expected.label_names
    assert (found.labels is None) == (expected.labels is None)
    if found.labels is not None:
        np.testing.assert_array_equal(found.labels, expected.labels)
    assert (found.layer, found.unit) == (expected.layer, expected.unit)
    assert (found.tokens is None) == (expected.tokens is None)
    if found.tokens is not None and direction:
        along = np.linspace(-1, 1, found.shape[1])
        rows = [0, len(found) - 1, len(found) // 2]
        for a, b in zip(found.tokens(rows, along), expected.tokens(rows, along), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("unit", ["mean", "token"])
@pytest.mark.parametrize("labels", ["given", "found", "numbers", "none"])
def test_a_folder_holds_what_memory_would(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, unit: str, labels: str
) -> None:
    numbers = [12 if label == "a" else 3 for label in LABELS]
    column = {"found": LABELS, "numbers": numbers}.get(labels)
    data: Any = TEXTS if column is None else hf.Dataset.from_dict({"text": TEXTS, "label": column})
    options = {"unit": unit, "tokenizer": bert_tokenizer}
    options["labels"] = LABELS if labels == "given" else None
    expected = read(bert, data, **options)
    found = read(bert, data, out=tmp_path / "acts", **options)
    same(found, expected)
    again = nw.Activations.load(tmp_path / "acts")
    assert again.tokens is None
    np.testing.assert_array_equal(np.asarray(again.values), expected.values)
    assert len(json.loads((tmp_path / "acts" / "manifest.json").read_text())["shards"]) == 6


def test_several_layers_images_and_batches(bert: BertModel, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 5))
    images = RNG.integers(0, 255, (30, 8, 8, 3)).astype(np.uint8)
    for number, data in enumerate([images, list(images), [torch.rand(4, 3, 8, 8)] * 6]):
        expected = read(model, data, ["1", "3"])
        found = read(model, data, ["1", "3"], out=tmp_path / str(number))
        for name in ("1", "3"):
            same(found[name], expected[name])
        with pytest.raises(nw.StoreError, match=r"holds several: pass layer=, one of '1', '3'"):
            nw.Activations.load(tmp_path / str(number))
    tokens = read(model, images, "1", unit="token")
    same(read(model, images, "1", unit="token", out=tmp_path / "map"), tokens)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_narrow_folders(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, dtype: str
) -> None:
    expected = read(bert, TEXTS, tokenizer=bert_tokenizer)
    found = read(bert, TEXTS, tokenizer=bert_tokenizer, out=tmp_path, dtype=dtype)
    expected.save(tmp_path / "saved", dtype)
    saved = nw.Activations.load(tmp_path / "saved")
    np.testing.assert_array_equal(np.asarray(found.values), np.asarray(saved.values))


class Stop(Exception):
    pass


class Faulty(nn.Module):
    """Breaks at one of its calls."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.calls, self.at = model, 0, 10**9
        self.error: BaseException = Stop("broken")

    def forward(self, **inputs: Any) -> Any:
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return self.model(**inputs)


@pytest.mark.parametrize("error", [Stop("broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("unit", ["mean", "token"])
def test_a_cut_off_capture_keeps_what_it_has_and_goes_on(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    error: BaseException,
    unit: str,
) -> None:
    model = Faulty(bert)
    layers = [f"model.{name}" for name in LAYERS]
    options = {"tokenizer": bert_tokenizer, "labels": LABELS, "unit": unit, "layer": layers}
    whole = read(model, TEXTS, out=tmp_path / "whole", **options)
    calls, stopped = model.calls, 0
    folder = tmp_path / "cut"
    for at in (2, 4, 5, 4, 3):
        model.calls, model.at, model.error = 0, at, error
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "stopped after")
                part = read(model, TEXTS, out=folder, **options)
        except nw.CaptureError as failure:
            part = failure.so_far
        stopped = len(part[layers[0]].samples.texts)
        # What was read before the break is there, in this process and in the next.
        again = nw.Activations.load(folder, layers[0])
        assert list(again.samples.texts) == list(part[layers[0]].samples.texts)
        np.testing.assert_array_equal(np.asarray(again.values), np.asarray(part[layers[0]].values))
    assert 0 < stopped < len(TEXTS)
    model.calls, model.at = 0, 10**9
    resumed = read(model, TEXTS, out=folder, **options)
    assert 0 < model.calls < calls
    assert files(folder) == files(tmp_path / "whole")
    for name in layers:
        same(resumed[name], whole[name])
    # Complete: it is opened, and the model does not run.
    model.calls = 0
    same(read(model, TEXTS, out=folder, **options)[layers[1]], whole[layers[1]], direction=False)
    assert model.calls == 0


EMPTY = [text if i % 9 else "" for i, text in enumerate(TEXTS)]
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "words and their labels": ([(t.split(), [w[0] for w in t.split()]) for t in TEXTS], {}),
    "labels of words, some without": (
        [(t.split(), [w[0] for w in t.split()] if i > 30 else None) for i, t in enumerate(TEXTS)],
        {},
    ),
    "windows of words": (
        [t.split() for t in TEXTS],
        {"labels": [t.split() for t in TEXTS], "long": "windows", "max_length": 6, "overlap": 1},
    ),
    "ids and their labels": (
        [(list(range(4, 5 + i % 9)), list(range(1 + i % 9))) for i in range(70)],
        {},
    ),
    "empty texts": (EMPTY, {"labels": LABELS}),
    "windows of empty texts": (EMPTY, {"labels": LABELS, "long": "windows", "max_length": 6}),
}


@pytest.mark.filterwarnings("ignore:8 of 70 texts are empty")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_texts_is_the_same_in_a_folder_in_parts_and_in_the_background(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path, kind: str
) -> None:
    data, more = KINDS[kind]
    options = {"unit": "token", "tokenizer": bert_tokenizer, **more}
    expected = read(bert, data, **options)
    assert expected.labels is not None
    same(read(bert, data, out=tmp_path / "whole", **options), expected)
    same(read(bert, data, background=True, **options).result(), expected)
    # Broken off and gone on with.
    model = Faulty(bert)
    model.at, model.error = 8, Stop("broken")
    layer = f"model.{LAYERS[1]}"
    with pytest.raises(nw.CaptureError, match="broken"):
        read(model, data, layer, out=tmp_path / "parts", **options)
    model.calls, model.at = 0, 10**9
    found = read(model, data, layer, out=tmp_path / "parts", **options)
    same(replace(found, layer=LAYERS[1]), expected)
    # Written anew, it is the same but for the tokens that are read again.
    again = nw.Activations.load(expected.save(tmp_path / "saved"))
    np.testing.assert_array_equal(again.labels, expected.labels)
    assert again.label_names == expected.label_names


KILLED = """
import os, sys
from functools import partial
import cloudpickle, numpy as np, pandas, pyarrow.parquet, torch
from torch import nn
import neuronwidgets as nw
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing import to_disk as disk
from neuronwidgets.capturing.engine import Run

def run(out, seed):
    disk.SHARD = 2 if seed == "none" else 6
    random = np.random.default_rng(None if seed == "none" else int(seed))
    # Time stands still, or jumps, so that shards end anywhere and elsewhere in each process.
    jumps = iter(random.exponential(9, 10**5).cumsum())
    clock = (lambda: 0.0) if seed == "none" else jumps.__next__
    capture_module.Run = partial(Run, pace=disk.Pace(30.0, clock))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 3))
    data = np.random.default_rng(0).normal(size=(160, 12)).astype("f4")
    labels = [str(i % 3) for i in range(160)]
    found = nw.capture(model, data, ["1", "2"], labels=labels, batch_size=4, progress=False,
                       out=out, collect=[nw.Top(5), nw.Rows(), nw.Moments(by_label=True)])
    for name in ("1", "2"):
        np.save(out + f"-top-{name}.npy", found[name][0].values)
        np.save(out + f"-mean-{name}.npy", found[name][2].mean)

torch.set_num_threads(1)
# One process imports, also what a capture imports late; each of twenty captures is its child.
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(*line.split())
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("jumps", [False, True])
def test_a_killed_capture_resumes_to_the_same(tmp_path: Path, jumps: bool) -> None:
    """To the same bytes where shards end in the same places, and to the same rows in any case."""
    command = [sys.executable, "-c", KILLED]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    seeds = iter(range(1000)) if jumps else None

    def start(folder: Path) -> int:
        server.stdin.write(f"{folder} {'none' if seeds is None else next(seeds)}\n")
        server.stdin.flush()
        return int(server.stdout.readline())

    def ended() -> int:
        return int(server.stdout.readline())

    def present(folder: Path) -> set[str]:
        # rglob breaks on what vanishes meanwhile.
        return {f"{root}/{name}" for root, _, names in os.walk(folder) for name in names}

    whole = tmp_path / "whole"
    start(whole)
    assert ended() == 0
    expected = files(whole)
    (state,) = whole.glob("state-*.pickle")
    random = np.random.default_rng(1)
    killed = 0
    for attempt in range(4):
        folder = tmp_path / f"killed-{attempt}"
        for _ in range(5):
            before = present(folder)
            # At a random number of new files: between shards, and in the middle of one.
            child, more = start(folder), random.integers(0, 25)
            while len(present(folder) - before) <= more:
                try:
                    os.kill(child, 0)
                except ProcessLookupError:
                    break
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            killed += ended() == signal.SIGKILL
            if (folder / "manifest.json").exists():
                manifest = json.loads((folder / "manifest.json").read_text())
                if manifest["shards"]:
                    assert len(nw.Activations.load(folder, "1")) == manifest["samples"]
        start(folder)
        assert ended() == 0
        if not jumps:
            assert files(folder) == expected
        for layer in ("1", "2"):
            same(nw.Activations.load(folder, layer), nw.Activations.load(whole, layer))
        assert (folder / state.name).read_bytes() == state.read_bytes()
        assert contiguous(folder) == 40
        for name in ("top-1", "top-2", "mean-1", "mean-2"):
            a, b = (np.load(f"{out}-{name}.npy") for out in (folder, whole))
            np.testing.assert_array_equal(a, b)
    server.communicate()
    assert server.returncode == 0
    assert killed >= 10


def contiguous(folder: Path) -> int:
    """How many batches the shards hold, one after the other; no file beside them."""
    manifest, at = json.loads((folder / "manifest.json").read_text()), 0
    for shard in manifest["shards"]:
        assert shard["first_batch"] == at
        at += shard["batches"]
    names = {f"{shard['first_batch']:08d}" for shard in manifest["shards"]}
    for place in [*(layer["folder"] for layer in manifest["layers"].values()), "samples"]:
        assert {path.stem for path in (folder / place).iterdir()} == names
    return at


def test_a_folder_of_something_else_is_refused_with_what_differs(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    options = {"tokenizer": bert_tokenizer, "out": tmp_path / "acts", "labels": LABELS}
    read(bert, TEXTS, **options)
    before = files(tmp_path)
    torch.manual_seed(1)
    other = BertModel(bert.config)
    bert.eval()
    for words, change in {
        r"batch size is 4 there and 5 here": {"batch_size": 5},
        r'unit is "mean" there and "last" here': {"unit": "last"},
        r"dtype is \"float32\" there and \"int8\" here": {"dtype": "int8"},
        r"layer is \[\"encoder.layer.1\"\] there and \[\"pooler\"\]": {"layer": "pooler"},
        r"max length is not given there and 7 here": {"max_length": 7},
        "the labels differ": {"labels": LABELS[::-1]},
        r"collect is \[\] there and \[\"Top\(k=5": {"collect": [nw.Top(5), nw.Rows()]},
        "the model's weights differ": {"model": other},
    }.items():
        wanted = {"model": bert, "data": TEXTS} | options | change
        with pytest.raises(nw.StoreError, match=words):
            read(**wanted)
    with (
        nw.ablate(bert, "encoder.layer.0", np.ones(16)),
        pytest.raises(nw.StoreError, match=r"hooks is .* there and \[\"encoder.layer.0\"\] here"),
    ):
        read(bert, TEXTS, **options)
    assert files(tmp_path) == before


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_models_with_the_same_weights_that_are_not_the_same(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 600), nn.ReLU(), nn.LayerNorm(600))
    data = torch.rand(8, 4)
    read(model, data, "2", out=tmp_path)
    words = "the model's modules or their settings differ"
    for part, other in {1: nn.GELU(), 2: nn.LayerNorm(600, eps=0.1)}.items():
        with pytest.raises(nw.StoreError, match=words):
            read(nn.Sequential(*[other if i == part else m for i, m in enumerate(model)]), data,
                 "2", out=tmp_path)  # fmt: skip
    compiled: Any = torch.compile(model)
    assert len(read(compiled, data, "2", out=tmp_path)) == 8
    with torch.no_grad():
        model[0].weight[[3, 5]] = model[0].weight[[5, 3]]
    with pytest.raises(nw.StoreError, match="the model's weights differ"):
        read(model, data, "2", out=tmp_path)


def test_data_that_differ_later_on(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    data = RNG.normal(size=(40, 3)).astype("f4")
    read(model, data, "0", out=tmp_path / "acts")
    before = files(tmp_path)
    other = data.copy()
    other[30, 1] += 1
    for changed, words in (
        (other, "was read from other data: batches 6 to 8 differ"),
        (np.concatenate([data, data]), "is complete with 40 samples, and the data has more"),
        (data[:24], "has 40 samples and the data ended before"),
    ):
        with pytest.raises(nw.StoreError, match=words):
            read(model, changed, "0", out=tmp_path / "acts")
    assert files(tmp_path) == before


def test_what_was_stopped_stays_until_it_is_read_again(tmp_path: Path) -> None:
    model = Faulty(nn.Linear(3, 4))
    model.forward = lambda x: Faulty.forward(model, input=x)  # type: ignore[method-assign]
    data = RNG.normal(size=(60, 3)).astype("f4")
    model.at = 6
    with pytest.raises(nw.CaptureError):
        read(model, data, "model", out=tmp_path / "acts")
    before = files(tmp_path)
    assert len(nw.Activations.load(tmp_path / "acts")) == 20
    other = data.copy()
    other[5] += 1
    with pytest.raises(nw.StoreError, match="was read from other data"):
        read(model, other, "model", out=tmp_path / "acts")
    assert files(tmp_path) == before
    model.at = 10**9
    assert len(read(model, data, "model", out=tmp_path / "acts")) == 60


def test_streams_are_skipped_to_where_the_folder_ends(
    bert: BertModel, bert_tokenizer: PreTrainedTokenizerBase, tmp_path: Path
) -> None:
    data = hf.Dataset.from_dict({"text": TEXTS, "label": LABELS}).to_iterable_dataset()
    model = Faulty(bert)
    model.at = 9
    layer = f"model.{LAYERS[1]}"
    options = {"tokenizer": bert_tokenizer, "layer": layer}
    with pytest.raises(nw.CaptureError):
        read(model, data, out=tmp_path, **options)
    same(read(model, data, out=tmp_path, **options), read(model, data, **options))


def test_collectors_alone_keep_their_state(tmp_path: Path) -> None:
    model = Faulty(nn.Linear(3, 4))
    model.forward = lambda x: Faulty.forward(model, input=x)  # type: ignore[method-assign]
    data = RNG.normal(size=(60, 3)).astype("f4")
    expected = read(model, data, "model", collect=[nw.Top(3), nw.Moments()])
    model.calls, model.at = 0, 11
    options = {"collect": [nw.Top(3), nw.Moments()], "out": tmp_path}
    with pytest.raises(nw.CaptureError) as failure:
        read(model, data, "model", **options)
    assert failure.value.so_far.samples == 40
    model.at = 10**9
    top, moments = read(model, data, "model", **options)
    np.testing.assert_array_equal(top.values, expected[0].values)
    np.testing.assert_array_equal(moments.variance, expected[1].variance)
    assert model.calls == 11 + 6
    kinds = {path.suffix for path in tmp_path.iterdir() if path.name != ".lock"}
    assert kinds == {".json", ".pickle"}


class Count(nw.Collector):
    rows = 0

    def add(self, chunk: Any) -> None:
        self.rows += len(chunk)

    def merge(self, other: Any) -> None:
        self.rows += other.rows

    def result(self) -> int:
        return self.rows


class Along(Count):
    def __init__(self, direction: torch.Tensor) -> None:
        self.direction = direction


@pytest.mark.parametrize("way", ["memory", "out", "collect"])
def test_labels_of_the_data_that_are_none_are_refused_early(tmp_path: Path, way: str) -> None:
    model = nn.Sequential(nn.Linear(5, 4))
    options: Any = {"memory": {}, "out": {"out": tmp_path}, "collect": {"collect": Count()}}[way]
    for label, names, words in [
        (lambda i: i / 7 + 0.01, None, r"measurements \(0.01, 0.15"),
        (lambda i: i, ["a", "b"], "whole numbers from 0 to 1, .* got 2"),
        (lambda i: "ab"[i % 2], ["a", "b"], "whole numbers from 0 to 1, .* got 'a'"),
    ]:
        read_on = []

        class Labelled(torch.utils.data.Dataset):  # type: ignore[type-arg]
            def __len__(self) -> int:
                return 400

            def __getitem__(self, i: int) -> Any:
                read_on.append(i)  # noqa: B023
                return torch.rand(5), label(i)  # noqa: B023

        if way == "out":
            options["out"] = tmp_path / words[:3]
        with pytest.raises(ValueError, match=words):
            read(model, Labelled(), "0", label_names=names, **options)
        assert len(read_on) < 100


def test_collectors_of_other_settings_and_those_that_cannot_be_kept(tmp_path: Path) -> None:
    class Local(Count):
        pass

    model, data = nn.Sequential(nn.Linear(5, 4)), torch.rand(8, 5)
    read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))
    assert read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))[0] == 8
    with pytest.raises(nw.StoreError, match=r"collect is \[.Along.* there and"):
        read(model, data, "0", out=tmp_path, collect=Along(torch.zeros(4)))
    (state,) = tmp_path.glob("state-*.pickle")
    state.write_bytes(b"damaged")
    for words in ("is not whole: .*", "is not whole: .*No such file"):
        with pytest.raises(nw.StoreError, match=rf"state-00000002.pickle {words}"):
            read(model, data, "0", out=tmp_path, collect=Along(torch.ones(4)))
        state.unlink(missing_ok=True)
    with pytest.raises(ValueError, match=r"one cannot be pickled .*Local"):
        read(model, data, "0", out=tmp_path / "local", collect=Local())


def test_rows_that_come_late_as_from_a_gpu_are_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = ToHost.rest

    def late(host: ToHost, ahead: int | None = None) -> Any:
        # `push` gives 0 on a CPU and 1 on a GPU; `Run` gives nothing.
        return rest(host, 0 if ahead is None else 1)

    monkeypatch.setattr(ToHost, "rest", late)
    model = nn.Sequential(nn.Linear(5, 4))
    batches = [torch.rand(4, 5) for _ in range(10)]
    commits = []
    with monkeypatch.context() as patched:

        def killed(self: Any, *about: Any, **options: Any) -> None:
            commits.append(commit(self, *about, **options))
            raise KeyboardInterrupt

        commit = writing.Writer.commit
        patched.setattr(writing.Writer, "commit", killed)
        patched.setattr(Run, "stop", lambda _: None)
        with pytest.warns(UserWarning, match="stopped after"):
            read(model, batches, "0", out=tmp_path, collect=[nw.Rows(), Count()])
    assert len(commits) == 1
    rows, count = read(model, batches, "0", out=tmp_path, collect=[nw.Rows(), Count()])
    assert len(rows) == count == 40


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A real limit of the operating system on the size of a file."""
    script = """
import resource, signal, sys
import numpy as np, torch
from torch import nn
import neuronwidgets as nw
from neuronwidgets.capturing import to_disk as disk
disk.SHARD = 2
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
torch.manual_seed(0)
model = nn.Linear(12, 400)
model = nn.Sequential(model)
data = np.zeros((4, 12), "f4")
big = [data] * 3 + [np.zeros((100, 12), "f4")]
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    nw.capture(model, big, "0", progress=False, out=sys.argv[1])
except nw.StoreError as error:
    print(error)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "acts")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "the disk is full. What was written before is safe in it" in done.stdout
    assert len(nw.Activations.load(tmp_path / "acts")) == 8
    assert not list(tmp_path.rglob("*.part"))


def test_two_captures_do_not_write_one_folder(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    data = RNG.normal(size=(40, 3)).astype("f4")

    def rows() -> Any:
        for i, row in enumerate(torch.from_numpy(data)):
            if i == 20:
                with pytest.raises(nw.StoreError, match="is being written by another capture"):
                    read(model, data, "0", out=tmp_path)
            yield row

    assert len(read(model, rows(), "0", out=tmp_path)) == 40


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(nw.StoreError, match="cannot be written: Permission denied"):
        read(nn.Sequential(nn.Linear(3, 4)), np.zeros((4, 3), "f4"), "0", out=tmp_path / "acts")


def test_shards_end_where_they_are_large(
    bert: BertModel,
    bert_tokenizer: PreTrainedTokenizerBase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "MOST_BYTES", 2000)
    options = {"tokenizer": bert_tokenizer, "unit": "token"}
    found = read(bert, TEXTS, out=tmp_path, **options)
    same(found, read(bert, TEXTS, **options))
    assert len(json.loads((tmp_path / "manifest.json").read_text())["shards"]) > 10


def test_a_state_that_a_killed_capture_left_behind_goes(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(12, 4), nn.ReLU())
    data = np.random.default_rng(0).normal(size=(40, 12)).astype("f4")

    def captured(folder: Path) -> dict[str, bytes]:
        nw.capture(model, data, "1", out=folder, collect=[nw.Top(5)], progress=False)
        return files(folder)

    expected = captured(tmp_path / "whole")
    assert sum(name.startswith("state-") for name in expected) == 1
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "state-00000001.pickle").write_bytes(b"old")
    assert captured(tmp_path / "killed") == expected


@pytest.mark.parametrize("collect", [None, [nw.Moments()]])
def test_a_crash_of_a_slow_capture_costs_less_than_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collect: Any
) -> None:
    monkeypatch.setattr(disk, "SHARD", 64)
    now, seconds, safe = 0.0, 0.0, [0.0]

    class Slow(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            nonlocal now
            now += seconds
            return x

    commit = writing.Writer.commit

    def timed(self: Any, *about: Any, **options: Any) -> None:
        commit(self, *about, **options)
        safe.append(now)

    monkeypatch.setattr(writing.Writer, "commit", timed)
    monkeypatch.setattr(capture_module, "Run",
                        partial(Run, pace=Pace(clock=lambda: now)))  # fmt: skip
    model = nn.Sequential(Slow(), nn.ReLU())
    batches: list[Any] = [torch.rand(2, 3) for _ in range(64)]

    seconds = 23.3
    read(model, batches[:54], "1", out=tmp_path / "slow", collect=collect)
    assert now == pytest.approx(54 * seconds)
    assert np.diff(safe).max() < 60
    assert len(safe) == 1 + 27
    # Quick batches fill a shard.
    seconds = 0.4
    read(model, batches[:54], "1", out=tmp_path / "quick", collect=collect)
    assert len(safe) == 1 + 28
    # However long it takes to find again what is in the store, it is no reason to end a shard.
    seconds = 1.0
    with pytest.raises(nw.CaptureError):
        read(model, [*batches[:32], "broken"], "1", out=tmp_path / "on", collect=collect)
    before = len(safe)

    def late() -> Any:
        nonlocal now
        for i, batch in enumerate(batches):
            now += 10 * (i < 30)
            yield batch

    read(model, late(), "1", out=tmp_path / "on", collect=collect)
    shards = json.loads((tmp_path / "on" / "manifest.json").read_text())["shards"]
    assert [shard["batches"] for shard in shards] == [30, 30, 4]
    assert len(safe) == before + 2


def test_a_killed_capture_whose_shards_ended_elsewhere_leaves_none_of_them(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(12, 4), nn.ReLU())
    data = np.random.default_rng(0).normal(size=(40, 12)).astype("f4")
    read(model, data, "1", out=tmp_path / "whole")
    expected = files(tmp_path / "whole")
    for place in ("layer-0-1/00000007.safetensors", "layer-0-1/00000004.part",
                  "samples/00000007.parquet"):  # fmt: skip
        path = tmp_path / "killed" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"old")
    read(model, data, "1", out=tmp_path / "killed")
    assert files(tmp_path / "killed") == expected


def test_what_was_stopped_is_given_up_before_it_is_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = nn.Sequential(nn.Linear(3, 4))
    batches: list[Any] = [torch.rand(2, 3) for _ in range(9)]
    with pytest.raises(nw.CaptureError):
        read(model, [*batches[:4], "broken"], "0", out=tmp_path)
    assert len(nw.Activations.load(tmp_path)) == 8

    def killed(*_about: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(writing.Writer, "commit", killed)
        patched.setattr(Run, "stop", lambda _: None)
        with pytest.warns(UserWarning, match="stopped after"):
            read(model, batches, "0", out=tmp_path)
    # Its file holds another shard by now, which the manifest does not list.
    assert len(nw.Activations.load(tmp_path)) == 6
    assert len(read(model, batches, "0", out=tmp_path)) == 18
