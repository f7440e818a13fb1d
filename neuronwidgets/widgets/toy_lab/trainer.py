"""The runs that ToyLab trains, their progress and their pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from neuronwidgets.toy import Config, Progress, Run, Training
from neuronwidgets.widgets.toy_lab.picture import Now, Still, pack_checkpoints, pack_picture
from neuronwidgets.widgets.toy_lab.presets import checked, preset_of
from neuronwidgets.widgets.toy_lab.tuning import TUNING, TrainerTuning

Slot = tuple[Training, int]
"""The training of a run, and its index there."""


class Trainer:
    """One run or two, trained in turns. Only the job of the newest era may train them.

    Attributes:
        configs: what is trained.
    """

    def __init__(
        self, configs: tuple[Config, ...], slots: Sequence[Slot], tuning: TrainerTuning = TUNING
    ) -> None:
        self.configs, self._slots, self._tuning = configs, list(slots), tuning
        self._turn, self._era = threading.Lock(), 0
        self._pace: list[tuple[float, int, int]] = []
        self._until: int | None = None
        self._relative = [run.relative for run in self.runs()]

    @classmethod
    def fresh(
        cls, configs: tuple[Config, ...], device: str, tuning: TrainerTuning = TUNING
    ) -> Trainer:
        """All runs at step 0; runs of one shape are one batch."""
        training = Training(configs, device=device)
        return cls(configs, [(training, i) for i in range(len(configs))], tuning)

    def changed(self, run_index: int, config: Config | None, device: str) -> Trainer:
        """A trainer whose run `run_index` starts over with `config`, or is removed without one. The
        other run continues.

        This trainer trains no further. If the configuration is refused, it stays as it is.
        """
        new_configs = list(self.configs)
        new_configs[run_index : run_index + 1] = [] if config is None else [config]
        configs = checked(new_configs)
        fresh = [] if config is None else [(Training(config, device=device), 0)]
        self.next_era()
        slots = self._slots[:]
        if run_index < len(slots):
            gone = slots[run_index][0]
            # A run that has left its batch must not be trained with it.
            slots = [
                (training.alone(i), 0) if training is gone and r != run_index else (training, i)
                for r, (training, i) in enumerate(slots)
            ]
        slots[run_index : run_index + 1] = fresh
        return Trainer(configs, slots, self._tuning)

    def next_era(self, until: int | None = None) -> int:
        """Begin a new era, of a job that trains to its end or `until`: jobs of earlier ones train
        no further step."""
        with self._turn:
            self._era += 1
            self._until = until
            self._pace.clear()
            return self._era

    def advance(self, era: int) -> bool:
        """Train a slice for the job of `era`. False if there was nothing left to do."""
        with self._turn:
            behind = self.behind(self._until) if era == self._era else []
            if not behind:
                return False
            step, r = min(behind)
            self._slots[r][0].advance(self._tuning.slice, self._until)
            self._pace.append((time.perf_counter(), step, sum(self.steps)))
            del self._pace[: -int(2 / self._tuning.slice)]
            return True

    @property
    def to_the_end(self) -> bool:
        """Whether the job of this era trains to the end, and not a number of steps."""
        return self._until is None

    @property
    def work(self) -> int:
        """Products of one forward step of all runs."""
        return sum(training.work for training in {training for training, _ in self._slots})

    @property
    def steps(self) -> list[int]:
        """The steps that each run has done."""
        return [int(p.step[i]) for p, i in self._progress()]

    @property
    def least(self) -> int:
        """The steps of the run that is furthest behind."""
        return min(self.behind(), default=(max(self.steps), 0))[0]

    def behind(self, until: int | None = None) -> list[tuple[int, int]]:
        """The steps and indices of the runs that have not reached their end, or `until`."""
        pairs = enumerate(zip(self.steps, self._ends(until), strict=True))
        return [(step, r) for r, (step, end) in pairs if step < end]

    def _ends(self, until: int | None) -> list[int]:
        return [c.steps if until is None else min(c.steps, until) for c in self.configs]

    def runs(self) -> list[Run]:
        """The runs as they are now, with their checkpoints."""
        with self._turn:
            return [progress.run(i) for progress, i in self._progress()]

    def picture(self) -> bytes:
        """The `_picture` message."""
        with self._turn:
            return pack_picture(self._now())

    def stills(self) -> dict[str, bytes]:
        """The traits `_picture` and `_checkpoints` of one moment."""
        with self._turn:
            runs = [progress.run(i) for progress, i in self._progress()]
            return {
                "_picture": pack_picture(self._now(), kept=True),
                "_checkpoints": pack_checkpoints(runs, self._tuning.stills),
            }

    def _progress(self) -> list[tuple[Progress, int]]:
        return [(training.progress(), index) for training, index in self._slots]

    def _now(self) -> list[Now]:
        runs = []
        for r, (progress, i) in enumerate(self._progress()):
            A, bias, log = progress.now(i)
            relative, config = self._relative[r], self.configs[r]
            still = Still(int(progress.step[i]), A, bias, float(relative(progress.loss[i])))
            speed, left = self._speed(), self._left()
            runs.append(Now(config, preset_of(config), still, log, relative, speed, left))
        return runs

    def _speed(self) -> float:
        """Steps per second, over the last one or two seconds."""
        if len(self._pace) < 2:
            return 0.0
        (began, first, _), (ended, last, _) = self._pace[0], self._pace[-1]
        return round((last - first) / (ended - began), 1) if ended > began else 0.0

    def _left(self) -> float | None:
        """Seconds until all runs are at their end, or at the step that was asked for."""
        if len(self._pace) < 2:
            return None
        (began, _, first), (ended, _, last) = self._pace[0], self._pace[-1]
        ends = self._ends(self._until)
        behind = sum(max(0, end - step) for end, step in zip(ends, self.steps, strict=True))
        return round(behind * (ended - began) / (last - first), 1) if last > first else None
