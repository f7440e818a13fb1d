"""ToyLab: train toy models live and watch their neurons become monosemantic."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import traitlets as t
from ipywidgets import widget_serialization

from neuronwidgets.core.checks import integer
from neuronwidgets.core.progress import progress_line, warn_stopped
from neuronwidgets.core.renamed import former_attribute
from neuronwidgets.toy import Config, Run
from neuronwidgets.widgets.base.jobs import JobProgress, Steps
from neuronwidgets.widgets.base.widget import IDLE, Whole, Widget, as_trait_error
from neuronwidgets.widgets.split_explorer.widget import SplitExplorer
from neuronwidgets.widgets.toy_lab.neuron import activations
from neuronwidgets.widgets.toy_lab.picture import NAMES
from neuronwidgets.widgets.toy_lab.presets import own_configs
from neuronwidgets.widgets.toy_lab.session import CHOICES, LabSession
from neuronwidgets.widgets.toy_lab.trainer import Trainer
from neuronwidgets.widgets.toy_lab.tuning import TUNING

EARLIER = ", an earlier training"
WATCH = 0.2
"""Seconds between two looks at a training that a cell waits for."""


class ToyLab(Widget):
    """Train one toy model, or two side by side, and see what makes neurons monosemantic.

    The toy models of Jermyn, Schiefer, Hubinger 2022 (arXiv 2211.09169), whose true features are
    known. Training is a job that leaves the notebook free; pausing, another knob or closing the
    widget ends it at its next step.
    """

    _KIND = "toy-lab"

    running = t.Bool(False).tag(sync=True)
    """Whether training goes on. Set it to start and to pause."""
    checkpoint = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The step that is shown: of each run its last checkpoint up to there; `None`: the present."""
    run_index = Whole(0).tag(sync=True, echo_update=False)
    """The run of the chosen neuron: 0 is A, 1 is B."""
    which = former_attribute("ToyLab", "which", "run_index")
    neuron = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The chosen neuron."""
    feature = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The chosen feature, in both runs."""

    _VERSIONED = CHOICES
    _tuning = TUNING
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
                zero start and its start at -1, in 8,704 steps, or 4,608 where those would take more
                than a minute.
            device: "cpu", or an accelerator that torch knows, such as "cuda".
        """
        if configs is None:
            configs = own_configs(device)
        self._session = LabSession(configs, device, self._screen, self._tuning)
        super().__init__()
        with self._opening():
            self._show(self._session.trainer)

    # What the user reads

    @property
    def configs(self) -> tuple[Config, ...]:
        """The configurations that train. Set one or two to begin anew."""
        return self._session.configs

    @configs.setter
    def configs(self, configs: Config | Sequence[Config]) -> None:
        self._swap(self._session.fresh(configs))

    @property
    def runs(self) -> list[Run]:
        """The runs as they are now, with their checkpoints."""
        return self._session.trainer.runs()

    @property
    def shown(self) -> list[Run]:
        """The runs as they are on the screen: at `checkpoint`."""
        return self._now().shown()

    @property
    def explorer(self) -> SplitExplorer | None:
        """The explorer of the neuron that is split below; `None` without one."""
        return self._explorer

    # What the user does

    def run(self) -> None:
        """Train on. Runs that have ended begin anew."""
        if self.running:
            self._go()  # beyond what `step` asked for
        else:
            self.running = True

    def pause(self) -> None:
        """Stop training; `run` goes on from there."""
        self.running = False

    def finish(self, timeout: float | None = None, *, progress: bool = True) -> bool:
        """Train to the end, if that has not been reached, and wait for it.

        An interrupted call pauses the training.

        Args:
            timeout: seconds to wait; not given: no limit.
            progress: show a line with the progress and the time left.

        Returns:
            Whether the end was reached.
        """
        end = math.inf if timeout is None else time.monotonic() + timeout
        trainer = self._session.trainer
        try:
            if trainer.behind():
                self.run()
                self._watch(trainer, end, progress)
            self.wait(None if timeout is None else max(0.0, end - time.monotonic()))
        except KeyboardInterrupt:
            self.pause()
            self.wait()
            warn_stopped(sum(trainer.steps), _total(trainer), "steps")
        return not self._jobs.running and not self._session.trainer.behind()

    def _watch(self, trainer: Trainer, end: float, progress: bool) -> None:
        """Show the progress of a training until it ends, or until the time `end`."""
        with progress_line("training", _total(trainer), "steps", progress) as line:
            line.initial = line.n = sum(trainer.steps)
            while not self.wait(WATCH) and time.monotonic() < end:
                line.update(sum(trainer.steps) - line.n)
            line.update(sum(trainer.steps) - line.n)

    def step(self, count: int = 1) -> None:
        """Train each run `count` steps further, and pause."""
        self._go(self._session.trainer.least + integer("count", count, 1))

    def reset(self) -> None:
        """Return to step 0 of the same seeds."""
        self._swap(self._session.fresh())

    def split(self, neuron: int | None = None, run: int | str | None = None) -> SplitExplorer:
        """Open a neuron in a SplitExplorer, which is shown below and returned.

        Training pauses. The true features are known, so the explorer shows how well its concept
        vectors recover them.

        Args:
            neuron: not given: the chosen one.
            run: "A" or "B" (or 0, 1); not given: the chosen neuron's.

        Raises:
            IndexError: there is no such run, or no such neuron.
            ValueError: no neuron is chosen, or it is active on fewer than two samples.
        """
        session = self._now()
        run_index = session.run_index_of(run)
        chosen = session.check_neuron(run_index, self.neuron if neuron is None else neuron)
        self.pause()
        explorer, title = _opened(self.shown[run_index], run_index, chosen)
        with self._jobs.lock, self._together():
            self.run_index, self.neuron = run_index, chosen
            self._embed(explorer, title)
        return explorer

    def close(self) -> None:
        """End training, the widget and its views."""
        if hasattr(self, "_jobs"):
            self._put({"running": False})
        super().close()

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None:
            return "ToyLab()"
        runs = zip(NAMES, session.described, session.trainer.steps, self.configs, strict=False)
        parts = (
            f"{name}: {about['preset'] or 'own knobs'}, step {step:,} of {config.steps:,}"
            for name, about, step, config in runs
        )
        return f"ToyLab({'; '.join(parts)})"

    # Traits: checked, then passed on

    @t.validate("run_index")
    def _check_run_index(self, proposal: Any) -> int:
        with as_trait_error(IndexError):
            return self._session.check_run_index(int(proposal["value"]))

    @t.validate("neuron")
    def _check_neuron(self, proposal: Any) -> int | None:
        value = proposal["value"]
        with as_trait_error(IndexError, TypeError):
            return None if value is None else self._session.check_neuron(self.run_index, value)

    @t.validate("feature")
    def _check_feature(self, proposal: Any) -> int | None:
        with as_trait_error(IndexError):
            return self._session.check_feature(proposal["value"])

    @t.validate("checkpoint")
    def _check_checkpoint(self, proposal: Any) -> int | None:
        with as_trait_error(ValueError):
            return self._session.check_checkpoint(proposal["value"])

    @t.observe(*CHOICES)
    def _chosen(self, _change: Any) -> None:
        self._now()

    @t.observe("running")
    def _running_changed(self, change: Any) -> None:
        if "running" in self._origin.own:
            return
        if change["new"]:
            self._go()
        else:
            self._settle()

    def _now(self) -> LabSession:
        """The session, with the traits whose observers are on hold or were removed."""
        with self._jobs.lock:
            traits = self._session.choose(**{name: getattr(self, name) for name in CHOICES})
            if traits:
                self._put(traits)
        return self._session

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        session = self._session
        return {
            **super()._messages(),
            "train.run": lambda _: self.run(),
            "train.pause": lambda _: self.pause(),
            "train.step": lambda _: self.step(),
            "train.double": lambda _: self._go(1 << session.trainer.least.bit_length()),
            "train.reset": lambda _: self.reset(),
            "config.request": lambda wanted: self._swap(
                session.with_knobs(int(wanted["run"]), dict(wanted["knobs"]))
            ),
            "preset.request": lambda wanted: self._swap(
                session.with_preset(int(wanted["run"]), str(wanted["name"]))
            ),
            "compare.request": lambda wanted: self._swap(session.compared(bool(wanted["on"]))),
            "checkpoints.request": lambda _: self._on_checkpoints(),
            "explorer.open": lambda _: self._on_split(),
            "explorer.close": lambda _: self._embed(None, ""),
        }

    def _on_checkpoints(self) -> None:
        if self.running:
            self._session.want_stills()
        elif not self._jobs.running:
            self._start(self._session.settled(), kind="settle")

    def _on_split(self) -> None:
        session = self._now()
        run_index = session.run_index
        chosen = session.check_neuron(run_index, session.neuron)
        self._put({"running": False})
        session.trainer.next_era()

        def steps() -> Steps:
            yield from session.settled()
            yield JobProgress(0.3, f"splitting neuron {chosen} of {NAMES[run_index]}")
            explorer, title = _opened(self.shown[run_index], run_index, chosen)
            try:
                yield lambda: self._embed(explorer, title)
            finally:
                if self._explorer is not explorer:
                    explorer.close()

        self._start(steps(), kind="split")

    def _embed(self, explorer: SplitExplorer | None, title: str) -> None:
        before = self._explorer
        self._put({"_explorer": explorer, "_split_of": title})
        if before is not None:
            before.close()

    # Training

    def _swap(self, trainer: Trainer | None) -> None:
        """Show other runs, which train on if these were training to their end; `None`: the same
        ones."""
        if trainer is None:
            return
        running = self.running and self._session.trainer.to_the_end
        with self._jobs.lock:
            self._jobs.cancel()
            self._show(trainer)
        if running:
            self.running = True

    def _show(self, trainer: Trainer) -> None:
        """Show runs. What fails leaves those that are there."""
        with self._jobs.lock:
            traits = self._now().show(trainer)
            if self._explorer is not None and not self._split_of.endswith(EARLIER):
                traits["_split_of"] = self._split_of + EARLIER
            self._put(traits)
            self._clear()

    def _go(self, until: int | None = None) -> None:
        if self._jobs.closed:
            self._put({"running": False})
            raise RuntimeError("this lab is closed: open another with neuronwidgets.ToyLab(...).")
        if until is None and not self._session.trainer.behind():
            self._show(self._session.fresh())
        trainer = self._session.trainer
        era = trainer.next_era(until)
        self._put({"running": True, "checkpoint": None, "status": IDLE})
        self._start(self._session.train(trainer, era), kind="train")

    def _settle(self) -> None:
        """Stop training, and show the runs with all checkpoints."""
        self._session.trainer.next_era()
        self._jobs.cancel()
        self._start(self._session.settled(), kind="settle")

    def _report(self, progress: Any) -> None:
        super()._report(progress)
        if not isinstance(progress, JobProgress):
            self._put({"running": False})  # no job, so nothing trains


def _total(trainer: Trainer) -> int:
    """The steps of all its runs."""
    return sum(config.steps for config in trainer.configs)


def _opened(run: Run, run_index: int, neuron: int) -> tuple[SplitExplorer, str]:
    """A neuron of a run in an explorer of its own, and the title of that."""
    acts = activations(run)
    active = int((acts.neuron(neuron) > 0).sum())
    if active < 2:
        raise ValueError(
            f"neuron {neuron} of {NAMES[run_index]} is active on {active} of {len(acts):,} "
            "samples: "
            "there is nothing to split."
        )
    explorer = SplitExplorer(acts, neuron, min(100, active), truth=run)
    explorer._presence.released()
    return explorer, f"Neuron {neuron} of {NAMES[run_index]} after {run.step:,} steps"
