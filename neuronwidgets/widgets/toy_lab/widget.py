"""ToyLab: train toy models live and watch their neurons become monosemantic."""

from __future__ import annotations

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

from neuronwidgets.toy import Config, Run
from neuronwidgets.widgets.base.jobs import Progress as Told
from neuronwidgets.widgets.base.jobs import Steps
from neuronwidgets.widgets.base.widget import IDLE, Whole, Widget, front_end
from neuronwidgets.widgets.split_explorer.widget import SplitExplorer
from neuronwidgets.widgets.toy_lab.neuron import activations
from neuronwidgets.widgets.toy_lab.picture import NAMES
from neuronwidgets.widgets.toy_lab.presets import SIZE, at_preset, checked, preset_of
from neuronwidgets.widgets.toy_lab.trainer import Bench

OFTEN = 1 / 15
"""Seconds between two pictures, at least ..."""
SHARE = 0.05
"""... and so much of the time, at most, goes into making them,"""
BYTES = 4e6
"""and so many bytes a second into sending them."""
EARLIER = ", an earlier training"
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

    _VERSIONED = ("checkpoint", "which", "neuron", "feature")
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
        self._quiet = self._asked = False
        self._narrow: dict[int, int] = {}
        self._bench = Bench.fresh(checked(configs), device)
        super().__init__()
        with self._opening():
            self._show(self._bench)

    # What a user reads

    @property
    def configs(self) -> tuple[Config, ...]:
        """What trains; setting it (one `Config`, or two) begins anew."""
        return self._bench.configs

    @configs.setter
    def configs(self, configs: Config | Sequence[Config]) -> None:
        self._swap(Bench.fresh(checked(configs), self._device))

    @property
    def runs(self) -> list[Run]:
        """The runs as they are now, with their checkpoints."""
        return self._bench.runs()

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
        if self._bench.behind():
            self.run()
        return self.wait(timeout) and not self._bench.behind()

    def step(self, count: int = 1) -> None:
        """Train each run `count` steps further, and pause."""
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count={count!r}; a whole number of steps, at least 1, is needed.")
        self._go(self._bench.least + count)

    def reset(self) -> None:
        """Back to the start: step 0 of the same seeds."""
        self._swap(self._afresh())

    def split(self, neuron: int | None = None, run: int | str | None = None) -> SplitExplorer:
        """Open a neuron in SplitExplorer, underneath and as what is returned.

        Training pauses. The true features are known, so the explorer says how well its concept
        vectors recover them.

        Args:
            neuron: not given: the one that is chosen on the screen.
            run: "A" or "B" (or 0, 1); not given: the chosen neuron's.
        """
        names = NAMES[: len(self.configs)]
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
        if hasattr(self, "_bench"):
            self._hush(False)
        super().close()

    def __repr__(self) -> str:
        if not hasattr(self, "_bench"):
            return "ToyLab()"
        runs = zip(NAMES, self._configs, self._bench.steps, self.configs, strict=False)
        told = (
            f"{name}: {about['preset'] or 'own knobs'}, step {step:,} of {config.steps:,}"
            for name, about, step, config in runs
        )
        return f"ToyLab({'; '.join(told)})"

    # Traits

    @t.validate("which")
    def _check_which(self, proposal: Any) -> int:
        which = int(proposal["value"])
        if hasattr(self, "_bench") and not 0 <= which < len(self.configs):
            raise t.TraitError(
                f"which={which}; there are {len(self.configs)} runs: 0 is A, 1 is B."
            )
        return which

    @t.observe("which")
    def _which_changed(self, _change: Any) -> None:
        if self.neuron is not None and self.neuron >= self.configs[self.which].neurons:
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
        most = max(config.features for config in self.configs)
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
        count = self.configs[which].neurons
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
            "train.double": lambda _: self._go(1 << self._bench.least.bit_length()),
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
        config = self.configs[which]
        preset = preset_of(config)
        known = asdict(config)
        if unknown := [name for name in knobs if name not in known]:
            raise ValueError(f"{unknown[0]} is no knob of a toy model.")
        if preset and not knobs.keys() & {"bias", "decay", "neurons"}:
            made = at_preset(preset, replace(config, **knobs))
        else:
            made = replace(config, **knobs)
        self._change(which, made)

    def _on_preset(self, wanted: dict[str, Any]) -> None:
        which, name = int(wanted["run"]), str(wanted["name"])
        config = self.configs[which]
        wide = preset_of(config) == "more neurons"
        if wide and name != "more neurons":
            config = replace(config, neurons=self._narrow.get(which, 2 * config.features))
        made = at_preset(name, config)
        self._change(which, made)
        if not wide:
            self._narrow[which] = config.neurons

    def _on_compare(self, wanted: dict[str, Any]) -> None:
        first = self.configs[0]
        if not wanted["on"]:
            self._change(1, None)
        elif len(self.configs) == 1:
            other = "zero bias" if preset_of(first) == "negative bias" else "negative bias"
            self._change(1, at_preset(other, first))

    def _on_checkpoints(self) -> None:
        if self.running:
            self._asked = True
        elif not self._jobs.running:
            self._start(self._settled(), kind="settle")

    def _on_split(self) -> None:
        which = self.which
        chosen = self._chosen(which, self.neuron)
        self._hush(False)
        self._bench.next_era()

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

    def _afresh(self) -> Bench:
        return Bench.fresh(self.configs, self._device)

    def _change(self, which: int, config: Config | None) -> None:
        """One run from the start with other knobs, or none; the other run stays as it is."""
        self._swap(self._bench.changed(which, config, self._device))

    def _swap(self, bench: Bench) -> None:
        """Other runs on the screen, which go on running if these were."""
        running = self.running
        with self._jobs.lock:
            self._jobs.cancel()
            self._show(bench)
        if running:
            self.running = True

    def _show(self, bench: Bench) -> None:
        """Put runs on the screen; what fails leaves those that are there."""
        picture, checkpoints = bench.stills()
        configs = bench.configs
        about = [{**asdict(config), "preset": preset_of(config)} for config in configs]
        self._bench.next_era()
        with self._together():
            self._bench = bench
            self._serial += 1
            self._configs = about
            if self.which >= len(configs):
                self.which, self.neuron = 0, None
            if self.neuron is not None and self.neuron >= configs[self.which].neurons:
                self.neuron = None
            if self.feature is not None and self.feature >= max(c.features for c in configs):
                self.feature = None
            self.checkpoint = None
            if self._explorer is not None and not self._split_of.endswith(EARLIER):
                self._split_of += EARLIER
            self._picture, self._checkpoints = picture, checkpoints
            if self.status["state"] == "error":
                self.status = IDLE

    def _go(self, until: int | None = None) -> None:
        if self._jobs.closed:
            self._hush(False)
            raise RuntimeError("this lab is closed: open another with neuronwidgets.ToyLab(...).")
        if until is None and not self._bench.behind():
            self._show(self._afresh())
        era = self._bench.next_era()
        with self._together():
            self._hush(True)
            self.checkpoint = None
            self.status = IDLE
        self._start(self._train(self._bench, until, era), kind="train")

    def _settle(self) -> None:
        """Stop training, and show all that there is of it."""
        self._bench.next_era()
        self._jobs.cancel()
        self._start(self._settled(), kind="settle")

    def _report(self, progress: Any) -> None:
        super()._report(progress)
        if not isinstance(progress, Told):
            self._hush(False)  # no job, so nothing runs

    def _train(self, bench: Bench, until: int | None, era: int) -> Steps:
        """Train, with a picture as often as that costs little."""
        due = 0.0
        threads = torch.get_num_threads()
        if bench.work < ALONE:
            torch.set_num_threads(1)
        try:
            while bench.advance(until, era):
                began = time.perf_counter()
                if self._asked:
                    self._asked = False
                    yield from self._settled()
                elif began < due:
                    yield _nothing
                    continue
                picture = bench.picture()
                yield partial(setattr, self, "_picture", picture)
                made = time.perf_counter()
                due = made + max(OFTEN, (made - began) / SHARE, len(picture) / BYTES)
            yield from self._settled()
        finally:
            torch.set_num_threads(threads)

    def _settled(self) -> Steps:
        """The picture and all checkpoints of what there is now."""
        picture, checkpoints = self._bench.stills()

        def publish() -> None:
            with self._together():
                self._picture, self._checkpoints = picture, checkpoints

        yield publish

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


def _opened(run: Run, which: int, neuron: int) -> tuple[SplitExplorer, str]:
    acts = activations(run)
    active = int((acts.neuron(neuron) > 0).sum())
    if active < 2:
        raise ValueError(
            f"neuron {neuron} of {NAMES[which]} is active on {active} of {len(acts):,} samples: "
            "there is nothing to split."
        )
    made = SplitExplorer(acts, neuron, min(100, active), truth=run)
    made._presence.released()
    return made, f"Neuron {neuron} of {NAMES[which]} after {run.step:,} steps"


def _nothing() -> None:
    """Between two pictures a job only looks whether to stop."""
