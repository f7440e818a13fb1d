"""What ToyLab trains and shows, and what its user chose. It knows no traits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from neuronwidgets.core.checks import is_integer
from neuronwidgets.toy import Config, Run
from neuronwidgets.widgets.base.jobs import Steps, pause
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.toy_lab.picture import NAMES
from neuronwidgets.widgets.toy_lab.presets import at_preset, checked, preset_of
from neuronwidgets.widgets.toy_lab.trainer import Trainer
from neuronwidgets.widgets.toy_lab.tuning import TUNING, TrainerTuning

CHOICES = ("checkpoint", "run_index", "neuron", "feature")


class LabSession:
    """The state of one ToyLab, without a kernel.

    Attributes:
        trainer: the runs.
        checkpoint, run_index, neuron, feature: what the user chose, see the traits of ToyLab.
        described: the configurations with their presets: the trait `_configs`.
        version: counts the runs on the screen.
    """

    def __init__(
        self, configs: Any, device: str, screen: Screen, tuning: TrainerTuning = TUNING
    ) -> None:
        self.checkpoint: int | None = None
        self.run_index = 0
        self.neuron: int | None = None
        self.feature: int | None = None
        self.version = 0
        self.described: list[dict[str, Any]] = []
        self._screen, self._tuning, self._device = screen, tuning, device
        self._narrow: dict[int, int] = {}
        self._stills_wanted = False
        self.trainer = self.fresh(configs)

    @property
    def configs(self) -> tuple[Config, ...]:
        """What trains."""
        return self.trainer.configs

    def show(self, trainer: Trainer) -> dict[str, Any]:
        """Show the runs of `trainer`. Returns the traits that do so.

        After an error, the earlier runs stay on the screen.
        """
        traits = trainer.stills()
        configs = trainer.configs
        self.described = [{**asdict(config), "preset": preset_of(config)} for config in configs]
        self.trainer.next_era()
        self.trainer, self.checkpoint = trainer, None
        self.version += 1
        if self.run_index >= len(configs):
            self.run_index, self.neuron = 0, None
        if self.neuron is not None and self.neuron >= configs[self.run_index].neurons:
            self.neuron = None
        if self.feature is not None and self.feature >= self._most_features:
            self.feature = None
        chosen = {name: getattr(self, name) for name in CHOICES}
        return {"_version": self.version, "_configs": self.described, **chosen, **traits}

    # Other runs

    def fresh(self, configs: Any = None) -> Trainer:
        """A trainer with runs at step 0; `configs` not given: the present ones."""
        configs = self.configs if configs is None else checked(configs)
        return Trainer.fresh(configs, self._device, self._tuning)

    def with_knobs(self, run_index: int, knobs: Mapping[str, Any]) -> Trainer:
        """A trainer whose run `run_index` starts over with other knobs. The run keeps its preset if
        the knobs allow it."""
        config = self.configs[run_index]
        preset, known = preset_of(config), asdict(config)
        if unknown := [name for name in knobs if name not in known]:
            raise ValueError(f"{unknown[0]} is no knob of a toy model.")
        changed = replace(config, **knobs)
        if preset and not knobs.keys() & {"bias", "decay", "neurons"}:
            changed = at_preset(preset, changed)
        return self._changed(run_index, changed)

    def with_preset(self, run_index: int, name: str) -> Trainer:
        """A trainer whose run `run_index` starts over with a preset."""
        config = self.configs[run_index]
        wide = preset_of(config) == "more neurons"
        if wide and name != "more neurons":
            config = replace(config, neurons=self._narrow.get(run_index, 2 * config.features))
        trainer = self._changed(run_index, at_preset(name, config))
        if not wide:
            self._narrow[run_index] = config.neurons
        return trainer

    def compared(self, on: bool) -> Trainer | None:
        """A trainer with the first run, and with a second to compare if `on`. `None` if nothing
        changes."""
        if not on:
            return self._changed(1, None)
        if len(self.configs) > 1:
            return None
        first = self.configs[0]
        other = "zero bias" if preset_of(first) == "negative bias" else "negative bias"
        return self._changed(1, at_preset(other, first))

    def _changed(self, run_index: int, config: Config | None) -> Trainer:
        return self.trainer.changed(run_index, config, self._device)

    # What the user chooses

    def choose(self, **choices: Any) -> dict[str, Any]:
        """Set what the user chose. Returns the traits that follow from it."""
        for name, value in choices.items():
            setattr(self, name, value)
        if self.neuron is not None and self.neuron >= self.configs[self.run_index].neurons:
            self.neuron = None
            return {"neuron": None}
        return {}

    def shown(self) -> list[Run]:
        """The runs at the chosen checkpoint."""
        runs, step = self.trainer.runs(), self.checkpoint
        if step is None:
            return runs
        return [run.at(max(int((run.checkpoints <= step).sum()) - 1, 0)) for run in runs]

    def run_index_of(self, run: Any) -> int:
        """The index of a run, given as "A", "B", 0 or 1; `None`: the chosen neuron's."""
        if run is None:
            return self.run_index
        names = NAMES[: len(self.configs)]
        known = {name: i for i, name in enumerate(names)} | {i: i for i in range(len(names))}
        if isinstance(run, bool) or run not in known:
            raise IndexError(f"there is no run {run!r}; there is {' and '.join(names)}.")
        return known[run]

    def check_neuron(self, run_index: int, neuron: Any) -> int:
        """The number of a neuron of run `run_index`.

        Raises:
            ValueError: it is `None`.
            TypeError, IndexError: it is no number of a neuron.
        """
        count = self.configs[run_index].neurons
        if neuron is None:
            raise ValueError("no neuron is chosen: click one in a heatmap, or give its number.")
        if not is_integer(neuron):
            raise TypeError(f"neuron must be an integer, got {neuron!r}.")
        if not 0 <= neuron < count:
            raise IndexError(
                f"neuron {neuron} is not in {NAMES[run_index]}, which has {count:,}: 0 to "
                f"{count - 1:,}."
            )
        return int(neuron)

    def check_run_index(self, run_index: int) -> int:
        """The index of a run."""
        if not 0 <= run_index < len(self.configs):
            raise IndexError(
                f"run_index must be 0 (A) or 1 (B) of {len(self.configs)} runs, got {run_index}."
            )
        return run_index

    def check_feature(self, feature: int | None) -> int | None:
        """The number of a feature of some run, or none."""
        if feature is not None and not 0 <= feature < self._most_features:
            raise IndexError(
                f"feature {feature} is in no run: there are 0 to {self._most_features - 1:,}."
            )
        return feature

    def check_checkpoint(self, step: int | None) -> int | None:
        """A number of steps, or none."""
        if step is not None and step < 0:
            raise ValueError(f"checkpoint must be a number of steps, at least 0, got {step}.")
        return step

    @property
    def _most_features(self) -> int:
        return max(config.features for config in self.configs)

    # Training

    def want_stills(self) -> None:
        """Note that a view asked for the checkpoints during training."""
        self._stills_wanted = True

    def train(self, trainer: Trainer, era: int) -> Steps:
        """Train for the job of `era`. Send pictures as often as that costs little."""
        tuning, due = self._tuning, 0.0
        while trainer.advance(era):
            began = time.perf_counter()
            if self._stills_wanted:
                self._stills_wanted = False
                yield from self.settled()
            elif began < due:
                yield pause
                continue
            picture = trainer.picture()
            yield partial(self._screen.put, {"_picture": picture})
            ended = time.perf_counter()
            spent, size = ended - began, len(picture)
            due = ended + max(tuning.every, spent / tuning.share, size / tuning.bytes)
        yield from self.settled()

    def settled(self) -> Steps:
        """Show the runs as they are now, with all checkpoints."""
        yield partial(self._screen.put, self.trainer.stills())
