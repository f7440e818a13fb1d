"""ToyLab: train toy models live and watch their neurons become monosemantic."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets as t
from ipywidgets import widget_serialization

from neuronwidgets.toy import PRESETS, Config, Progress, Run, Training
from neuronwidgets.widgets._base import IDLE, Widget, front_end
from neuronwidgets.widgets._jobs import Progress as Told
from neuronwidgets.widgets._jobs import Steps
from neuronwidgets.widgets._toy_neuron import activations
from neuronwidgets.widgets._toy_picture import (
    NAMES,
    Now,
    Still,
    pack_checkpoints,
    pack_picture,
)
from neuronwidgets.widgets.split_explorer import SplitExplorer, Whole

SIZE = {"features": 64, "dims": 32, "neurons": 256, "batch": 512, "steps": 8704}
"""Trains in half a minute on a laptop, and shows the paper's effect."""
SLICE = 0.02
"""Seconds of training between two looks at whether to stop."""
OFTEN = 1 / 15
"""Seconds between two pictures, at least ..."""
SHARE = 0.05
"""... and so much of the time, at most, goes into making them,"""
BYTES = 4e6
"""and so many bytes a second into sending them."""
EARLIER = ", an earlier training"
MOST_CELLS = 1 << 22
MOST_EMBEDDED = 1 << 29
ALONE = 1 << 26
"""Products in a step under which one CPU thread trains: the browser wants the other core, and two
threads of which one has to wait for a core take longer than one."""


class ToyLab(Widget):
    """Train one toy model, or two beside each other, and see what makes neurons monosemantic.

    The toy models of Jermyn, Schiefer, Hubinger 2022 (arXiv 2211.09169), whose true features are
    known. Training is a job that leaves the notebook free; pausing, another knob or closing the
    widget ends it at its next step.
    """

    _esm = front_end("toy-lab.js")
    _css = front_end("toy-lab.css")

    running = t.Bool(False).tag(sync=True)
    """Whether training goes on. Set it to start and to pause."""
    checkpoint = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The step that is shown, of each run its last checkpoint until then; `None`: as it is now."""
    which = Whole(0).tag(sync=True, echo_update=False)
    """The run of the chosen neuron: 0 is A, 1 is B."""
    neuron = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The neuron that is looked at."""
    feature = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The feature that is looked at, in both runs."""

    _LATE = ("checkpoint", "which", "neuron", "feature")
    _configs = t.List(t.Dict()).tag(sync=True)
    _picture = t.Bytes().tag(sync=True)
    _checkpoints = t.Bytes().tag(sync=True)
    _explorer = t.Instance(SplitExplorer, allow_none=True).tag(sync=True, **widget_serialization)
    _split_of = t.Unicode().tag(sync=True)

    def __init__(
        self,
        configs: Config | Sequence[Config] | None = None,
        *,
        device: str = "cpu",
    ) -> None:
        """Open the lab.

        Args:
            configs: one `neuronwidgets.toy.Config`, or two to compare. Not given: the paper's
                zero start and its start at -1, at a size that trains in seconds.
            device: "cpu", or an accelerator that torch knows, such as "cuda".
        """
        if configs is None:
            configs = (Config.zero_bias(**SIZE), Config.negative_bias(**SIZE))
        self._device = device
        self._turn = threading.Lock()
        self._quiet = False
        self._speed: list[tuple[float, int]] = []
        self._era = 0
        self._asked = False
        self._narrow: dict[int, int] = {}
        wanted = _checked(configs)
        super().__init__()
        self._show(wanted, self._slots_of(wanted))

    # What a user reads

    @property
    def configs(self) -> tuple[Config, ...]:
        """What trains; setting it (one `Config`, or two) begins anew."""
        return self._wanted

    @configs.setter
    def configs(self, configs: Config | Sequence[Config]) -> None:
        self._begin(_checked(configs))

    @property
    def runs(self) -> list[Run]:
        """The runs as they are now, with their checkpoints."""
        with self._turn:
            return [progress.run(i) for progress, i in self._progress()]

    @property
    def shown(self) -> list[Run]:
        """The runs as they are on the screen: at `checkpoint`."""
        runs, step = self.runs, self.checkpoint
        if step is None:
            return runs
        return [run.at(max(int((run.checkpoints <= step).sum()) - 1, 0)) for run in runs]

    @property
    def explorer(self) -> SplitExplorer | None:
        """The neuron that is split underneath, if one is."""
        return self._explorer

    # What a user does

    def run(self) -> None:
        """Train on; runs that are done begin anew."""
        if self.running:
            self._go()  # beyond what `step` asked for
        else:
            self.running = True

    def pause(self) -> None:
        """Stop training where it is; `run` goes on from there."""
        self.running = False

    def finish(self, timeout: float | None = None) -> bool:
        """Train on to the end, if that has not been reached, and wait for it.

        Args:
            timeout: seconds to wait; not given: as long as it takes.

        Returns:
            Whether the end was reached.
        """
        if self._behind():
            self.run()
        return self.wait(timeout) and not self._behind()

    def step(self, count: int = 1) -> None:
        """Train each run `count` steps further, and pause."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count={count!r}; a whole number of steps, at least 1, is needed.")
        self._go(self._least() + count)

    def reset(self) -> None:
        """Back to the start: step 0 of the same seeds."""
        self._begin(self._wanted)

    def split(self, neuron: int | None = None, run: int | str | None = None) -> SplitExplorer:
        """Open a neuron in SplitExplorer, underneath and as what is returned.

        Training pauses. The true features are known, so the explorer says how well its concept
        vectors recover them.

        Args:
            neuron: not given: the one that is chosen on the screen.
            run: "A" or "B" (or 0, 1); not given: the chosen neuron's.
        """
        names = NAMES[: len(self._wanted)]
        which = self.which
        if run is not None:
            known = {name: i for i, name in enumerate(names)} | dict(enumerate(range(len(names))))
            if isinstance(run, bool) or run not in known:
                raise IndexError(f"run={run!r}; there is {' and '.join(names)}.")
            which = known[run]
        chosen = self._chosen(which, self.neuron if neuron is None else neuron)
        self.pause()
        made, words = _opened(self.shown[which], which, chosen)
        with self._jobs.lock, self._together():
            self.which, self.neuron = which, chosen
            self._embed(made, words)
        return made

    def close(self) -> None:
        if hasattr(self, "_wanted"):
            self._hush(False)
        super().close()
        if self._explorer is not None:
            self._explorer.close()

    def __repr__(self) -> str:
        if not hasattr(self, "_wanted"):
            return "ToyLab()"
        runs = zip(NAMES, self._configs, self._steps(), self._wanted, strict=False)
        told = (
            f"{name}: {about['preset'] or 'own knobs'}, step {step:,} of {config.steps:,}"
            for name, about, step, config in runs
        )
        return f"ToyLab({'; '.join(told)})"

    # Traits

    @t.validate("which")
    def _check_which(self, proposal: Any) -> int:
        which = int(proposal["value"])
        if hasattr(self, "_wanted") and not 0 <= which < len(self._wanted):
            raise t.TraitError(
                f"which={which}; there are {len(self._wanted)} runs: 0 is A, 1 is B."
            )
        return which

    @t.observe("which")
    def _which_changed(self, _change: Any) -> None:
        if self.neuron is not None and self.neuron >= self._wanted[self.which].neurons:
            self.neuron = None

    @t.validate("neuron")
    def _check_neuron(self, proposal: Any) -> int | None:
        value = proposal["value"]
        try:
            return None if value is None else self._chosen(self.which, value)
        except (IndexError, TypeError) as error:
            raise t.TraitError(str(error)) from None

    @t.validate("feature")
    def _check_feature(self, proposal: Any) -> int | None:
        value: int | None = proposal["value"]
        most = max(config.features for config in self._wanted)
        if value is not None and not 0 <= value < most:
            raise t.TraitError(f"feature {value} is not there: 0 to {most - 1:,}.")
        return value

    @t.validate("checkpoint")
    def _check_checkpoint(self, proposal: Any) -> int | None:
        value: int | None = proposal["value"]
        if value is not None and value < 0:
            raise t.TraitError(f"checkpoint={value}; steps, at least 0, are needed.")
        return value

    def _chosen(self, which: int, neuron: Any) -> int:
        count = self._wanted[which].neurons
        if neuron is None:
            raise ValueError("no neuron is chosen: click one in a heatmap, or give its number.")
        if isinstance(neuron, bool) or not isinstance(neuron, int | np.integer):
            raise TypeError(f"neuron={neuron!r}; a whole number is needed.")
        if not 0 <= neuron < count:
            raise IndexError(
                f"neuron {neuron} is not in {NAMES[which]}, which has {count:,}: 0 to "
                f"{count - 1:,}."
            )
        return int(neuron)

    @t.observe("running")
    def _running_changed(self, change: Any) -> None:
        if self._quiet:
            return
        if change["new"]:
            self._go()
        else:
            self._settle()

    # Messages of a view

    def _messages(self) -> dict[str, Any]:
        return {
            **super()._messages(),
            "train.run": lambda _: self.run(),
            "train.pause": lambda _: self.pause(),
            "train.step": lambda _: self.step(),
            "train.double": lambda _: self._go(1 << self._least().bit_length()),
            "train.reset": lambda _: self.reset(),
            "config.request": self._on_config,
            "preset.request": self._on_preset,
            "compare.request": self._on_compare,
            "checkpoints.request": lambda _: self._on_checkpoints(),
            "split.request": lambda _: self._on_split(),
            "split.close": lambda _: self._embed(None, ""),
        }

    def _on_config(self, wanted: dict[str, Any]) -> None:
        which, knobs = int(wanted["run"]), dict(wanted["knobs"])
        config = self._wanted[which]
        preset = preset_of(config)
        known = asdict(config)
        if unknown := [name for name in knobs if name not in known]:
            raise ValueError(f"{unknown[0]} is no knob of a toy model.")
        if preset and not knobs.keys() & {"bias", "decay", "neurons"}:
            made = _preset(preset, replace(config, **knobs))
        else:
            made = replace(config, **knobs)
        self._change(which, made)

    def _on_preset(self, wanted: dict[str, Any]) -> None:
        which, name = int(wanted["run"]), str(wanted["name"])
        config = self._wanted[which]
        wide = preset_of(config) == "more neurons"
        if wide and name != "more neurons":
            config = replace(config, neurons=self._narrow.get(which, 2 * config.features))
        made = _preset(name, config)
        self._change(which, made)
        if not wide:
            self._narrow[which] = config.neurons

    def _on_compare(self, wanted: dict[str, Any]) -> None:
        first = self._wanted[0]
        if not wanted["on"]:
            self._change(1, None)
        elif len(self._wanted) == 1:
            other = "zero bias" if preset_of(first) == "negative bias" else "negative bias"
            self._change(1, _preset(other, first))

    def _on_checkpoints(self) -> None:
        if self.running:
            self._asked = True
        elif not self._jobs.running:
            self._start(self._settled(), kind="settle")

    def _on_split(self) -> None:
        which = self.which
        chosen = self._chosen(which, self.neuron)
        self._hush(False)
        self._next_era()

        def steps() -> Steps:
            yield from self._settled()
            yield Told(0.3, f"splitting neuron {chosen} of {NAMES[which]}")
            made, words = _opened(self.shown[which], which, chosen)
            try:
                yield lambda: self._embed(made, words)
            finally:
                if self._explorer is not made:
                    made.close()

        self._start(steps(), kind="split")

    def _embed(self, explorer: SplitExplorer | None, words: str) -> None:
        old = self._explorer
        with self._together():
            self._explorer, self._split_of = explorer, words
        if old is not None:
            old.close()

    # Training

    def _begin(self, wanted: tuple[Config, ...]) -> None:
        """All from the start; goes on running if it was."""
        self._swap(wanted, self._slots_of(wanted))

    def _change(self, which: int, config: Config | None) -> None:
        """One run from the start with other knobs, or none; the other run stays as it is."""
        wanted = list(self._wanted)
        wanted[which : which + 1] = [] if config is None else [config]
        checked = _checked(wanted)
        fresh = [] if config is None else [(Training(config, device=self._device), 0)]
        self._next_era()
        slots = list(self._slots)
        if which < len(slots):
            gone = slots[which][0]
            # What has left its batch must not be trained on with it.
            slots = [(training.alone(i), 0) if training is gone and r != which else (training, i)
                     for r, (training, i) in enumerate(slots)]  # fmt: skip
        slots[which : which + 1] = fresh
        self._swap(checked, slots)

    def _slots_of(self, wanted: tuple[Config, ...]) -> list[tuple[Training, int]]:
        """Each run's training, and its place there: runs of one shape are one batch."""
        going = Training(wanted, device=self._device)
        return [(going, i) for i in range(len(wanted))]

    def _swap(self, wanted: tuple[Config, ...], slots: list[tuple[Training, int]]) -> None:
        running = self.running
        with self._jobs.lock:
            self._jobs.cancel()
            self._show(wanted, slots)
        if running:
            self.running = True

    def _show(self, wanted: tuple[Config, ...], slots: list[tuple[Training, int]]) -> None:
        """Put runs on the screen; what fails leaves those that are there."""
        runs = [training.progress().run(i) for training, i in slots]
        relative = [run.relative for run in runs]
        about = [{**asdict(config), "preset": preset_of(config)} for config in wanted]
        checkpoints = pack_checkpoints(runs)
        self._next_era()
        with self._together():
            self._wanted, self._slots, self._relative = wanted, slots, relative
            self._speed.clear()
            self._serial += 1
            self._configs = about
            if self.which >= len(wanted):
                self.which, self.neuron = 0, None
            if self.neuron is not None and self.neuron >= wanted[self.which].neurons:
                self.neuron = None
            if self.feature is not None and self.feature >= max(c.features for c in wanted):
                self.feature = None
            self.checkpoint = None
            if self._explorer is not None and not self._split_of.endswith(EARLIER):
                self._split_of += EARLIER
            self._picture, self._checkpoints = pack_picture(self._now()), checkpoints
            if self.status["state"] == "error":
                self.status = IDLE

    def _go(self, until: int | None = None) -> None:
        if self._jobs.closed:
            raise RuntimeError("this lab is closed: open another with neuronwidgets.ToyLab(...).")
        if until is None and not self._behind():
            self._show(self._wanted, self._slots_of(self._wanted))
        era = self._next_era()
        with self._together():
            self._hush(True)
            self.checkpoint = None
            self.status = IDLE
        self._speed.clear()
        self._start(self._train(until, era), kind="train")

    def _settle(self) -> None:
        """Stop training, and show all that there is of it."""
        self._next_era()
        self._jobs.cancel()
        self._start(self._settled(), kind="settle")

    def _next_era(self) -> int:
        """From here on a job that trains does no step more, whatever it was about to do."""
        with self._turn:
            self._era += 1
            return self._era

    def _report(self, progress: Any) -> None:
        super()._report(progress)
        if not isinstance(progress, Told):
            self._hush(False)  # no job, so nothing runs

    def _train(self, until: int | None, era: int) -> Steps:
        """Train, with a picture as often as that costs little."""
        due = 0.0
        threads = torch.get_num_threads()
        if self._work() < ALONE:
            torch.set_num_threads(1)
        try:
            while self._advanced(until, era):
                began = time.perf_counter()
                if self._asked:
                    self._asked = False
                    yield from self._settled()
                elif began < due:
                    yield _nothing
                    continue
                with self._turn:
                    picture = pack_picture(self._now())
                yield partial(setattr, self, "_picture", picture)
                made = time.perf_counter()
                due = made + max(OFTEN, (made - began) / SHARE, len(picture) / BYTES)
            yield from self._settled()
        finally:
            torch.set_num_threads(threads)

    def _advanced(self, until: int | None, era: int) -> bool:
        """Whether there was a slice of training left to do."""
        with self._turn:
            behind = self._behind(until) if era == self._era else []
            if not behind:
                return False
            training, _ = self._slots[min(behind)[1]]
            training.advance(SLICE, until)
            self._speed.append((time.perf_counter(), min(behind)[0]))
            del self._speed[: -int(2 / SLICE)]
            return True

    def _settled(self) -> Steps:
        """The picture and all checkpoints of what there is now."""
        with self._turn:
            picture = pack_picture(self._now())
            checkpoints = pack_checkpoints([p.run(i) for p, i in self._progress()])

        def publish() -> None:
            with self._together():
                self._picture, self._checkpoints = picture, checkpoints

        yield publish

    def _progress(self) -> list[tuple[Progress, int]]:
        return [(training.progress(), place) for training, place in self._slots]

    def _behind(self, until: int | None = None) -> list[tuple[int, int]]:
        """The runs that are not at their end, or at `until`: their steps and places."""
        ends = [c.steps if until is None else min(c.steps, until) for c in self._wanted]
        pairs = enumerate(zip(self._steps(), ends, strict=True))
        return [(step, r) for r, (step, end) in pairs if step < end]

    def _work(self) -> int:
        return sum(c.batch * c.neurons * (c.dims + c.outputs) for c in self._wanted)

    def _least(self) -> int:
        """Steps of the run that is furthest behind."""
        return min(self._behind(), default=(max(self._steps()), 0))[0]

    def _steps(self) -> list[int]:
        return [int(p.step[i]) for p, i in self._progress()]

    def _now(self) -> list[Now]:
        runs = []
        for r, (progress, i) in enumerate(self._progress()):
            A, bias, log = progress.now(i)
            relative, config = self._relative[r], self._wanted[r]
            still = Still(int(progress.step[i]), A, bias, float(relative(progress.loss[i])))
            runs.append(Now(config, preset_of(config), still, log, relative, self._pace()))
        return runs

    def _pace(self) -> float:
        """Steps per second, of the last second or two."""
        if len(self._speed) < 2:
            return 0.0
        (began, first), (ended, last) = self._speed[0], self._speed[-1]
        return round((last - first) / (ended - began), 1) if ended > began else 0.0

    def _hush(self, running: bool) -> None:
        """Set `running` without starting or pausing anything."""
        with self._quietly():
            self.running = running

    @contextmanager
    def _quietly(self) -> Iterator[None]:
        with self._jobs.lock:
            before, self._quiet = self._quiet, True
            try:
                yield
            finally:
                self._quiet = before


def preset_of(config: Config) -> str:
    """The name of the preset that a configuration is, or ""."""
    return next((n for n in reversed(PRESETS) if _preset(n, config) == config), "")


def _preset(name: str, config: Config) -> Config:
    """A configuration brought to a preset; the world, the optimiser and the seed stay."""
    if name not in PRESETS:
        raise ValueError(f"{name!r} is no preset; there are {', '.join(map(repr, PRESETS))}.")
    knobs = asdict(config)
    for own in ("bias", "decay", *(["neurons"] if name == "more neurons" else [])):
        del knobs[own]
    return PRESETS[name](**knobs)


def _checked(configs: Config | Sequence[Config]) -> tuple[Config, ...]:
    many = (configs,) if not isinstance(configs, Sequence) else tuple(configs)
    for config in many:
        if not isinstance(config, Config):
            raise TypeError(
                f"a {type(config).__name__} is no configuration: neuronwidgets.toy.Config is "
                "needed."
            )
    if not 1 <= len(many) <= len(NAMES):
        raise ValueError(
            f"{len(many)} configurations; the lab shows one or two. neuronwidgets.toy.train takes "
            "any number."
        )
    if any(c.features * c.dims**2 > MOST_EMBEDDED for c in many):
        raise ValueError(
            f"features x dims^2 come to more than {MOST_EMBEDDED:,}: the embedding would take "
            "too long to make here. neuronwidgets.toy.train takes it."
        )
    if sum(c.neurons * c.features for c in many) > MOST_CELLS:
        raise ValueError(
            f"neurons x features come to more than {MOST_CELLS:,}, too many to draw as it trains: "
            "neuronwidgets.toy.train takes them."
        )
    return many


def _opened(run: Run, which: int, neuron: int) -> tuple[SplitExplorer, str]:
    acts = activations(run)
    active = int((acts.neuron(neuron) > 0).sum())
    if active < 2:
        raise ValueError(
            f"neuron {neuron} of {NAMES[which]} is active on {active} of {len(acts):,} samples: "
            "there is nothing to split."
        )
    made = SplitExplorer(acts, neuron, min(100, active), truth=run)
    return made, f"Neuron {neuron} of {NAMES[which]} after {run.step:,} steps"


def _nothing() -> None:
    """Between two pictures a job only looks whether to stop."""
