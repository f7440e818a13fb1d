"""A capture into a folder that is killed at any moment goes on to the same files."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import neuronwidgets as nw
from neuronwidgets.activations.store import writer as writing
from neuronwidgets.capturing.engine import Engine


@pytest.fixture(autouse=True)
def small_shards(shard_limits: Any) -> None:
    shard_limits(batches=3)


def read(model: nn.Module, data: Any, layer: Any, **options: Any) -> Any:
    return nw.capture(model, data, layer, progress=False, **{"batch_size": 4} | options)


KILLED = """
import os, sys
from functools import partial
import cloudpickle, numpy as np, pandas, pyarrow.parquet, torch
from torch import nn
import neuronwidgets as nw
from neuronwidgets.capturing import capture as capture_module
from neuronwidgets.capturing.engine import Engine
from neuronwidgets.capturing.to_disk import ShardLimits

def run(out, seed):
    random = np.random.default_rng(None if seed == "none" else int(seed))
    # Time stands still, or jumps, so that shards end anywhere and elsewhere in each process.
    jumps = iter(random.exponential(9, 10**5).cumsum())
    clock = (lambda: 0.0) if seed == "none" else jumps.__next__
    limits = ShardLimits(batches=2 if seed == "none" else 6, clock=clock)
    capture_module.Engine = partial(Engine, limits=limits)
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
# One process imports, also what a capture imports late; each of a dozen captures is its child.
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
def test_a_killed_capture_resumes_to_the_same(
    tmp_path: Path, jumps: bool, files: Any, same: Any
) -> None:
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
    for attempt in range(2):
        folder = tmp_path / f"killed-{attempt}"
        for _ in range(5):
            before = present(folder)
            # At a random number of new files: between shards, and in the middle of one.
            child, more = start(folder), random.integers(0, 25)
            while len(present(folder) - before) <= more:
                select.select([server.stdout], [], [], 0.002)  # leaves the processor to the child
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
    assert killed >= 5


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


def test_a_state_that_a_killed_capture_left_behind_goes(tmp_path: Path, files: Any) -> None:
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_limits: Any, collect: Any
) -> None:
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
    shard_limits(clock=lambda: now)
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


def test_a_killed_capture_whose_shards_ended_elsewhere_leaves_none_of_them(
    tmp_path: Path, files: Any
) -> None:
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
        patched.setattr(Engine, "stop", lambda _: None)
        with pytest.warns(UserWarning, match="stopped after"):
            read(model, batches, "0", out=tmp_path)
    # Its file holds another shard by now, which the manifest does not list.
    assert len(nw.Activations.load(tmp_path)) == 6
    assert len(read(model, batches, "0", out=tmp_path)) == 18
