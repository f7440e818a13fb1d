"""What RangeExplorer shows, what its user chose, and what is due. It knows no traits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.intervals.rules import EXTREME, RULES
from neuronwidgets.interventions.masks import NeuronEdit, Replacement
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import JobProgress, Prepared, Steps, pause
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.range_explorer.classes import Classes
from neuronwidgets.widgets.range_explorer.effects import MaskEffects
from neuronwidgets.widgets.range_explorer.picture import telling
from neuronwidgets.widgets.range_explorer.range_mask import masks, pieces

CHOICES = ("neuron", "label", "tau", "rule", "edges", "top", "this_neuron_only")
"""The choices that determine the masks."""
OWN_RANGE = ("label", "tau", "rule")
"""Choices that end a range drawn by hand: it belongs to one label, at one width."""


class RangeSession:
    """The state of one RangeExplorer, without a kernel.

    Attributes:
        classes: the labelled activations on the screen.
        neuron, label, tau, rule, edges, top, this_neuron_only, prompt, selection: the user's
            choices.
        lit: the samples that are lit on the axis.
        version: counts the pictures on the screen.
    """

    def __init__(
        self,
        feed: Feed,
        classes: Classes,
        screen: Screen,
        effects: MaskEffects | None = None,
        to: Replacement = "mean",
    ) -> None:
        self.feed, self.classes = feed, classes
        self.effects = effects or MaskEffects()
        self.neuron, self.label, self.tau, self.rule, self.top = 0, 0, 2.0, "gaussian", 0.3
        self.this_neuron_only, self.prompt = False, ""
        self.edges: list[float | None] = []
        self.selection: list[int] = []
        self.lit: list[int] = []
        self.version = self._edges_version = 0
        self._screen, self._to = screen, to
        self._named_since: list[tuple[int, tuple[str, ...]]] = [(0, classes.label_names)]
        if feed.complete and self.effects.measures:
            self.effects.open(classes)

    @property
    def acts(self) -> Activations:
        """The activations on the screen."""
        return self.classes.acts

    # What is on the screen

    def begin(self, neuron: int | None, label: Any) -> dict[str, Any]:
        """Show a neuron and a label; where not given, those that stand most apart.

        Raises:
            ValueError: there is no such label.
            IndexError: there is no such neuron.
        """
        code = None if label is None else self.classes.ranges.label(label)
        if neuron is None:
            neuron, self.label = telling(self.classes.ranges, code)
        else:
            neuron, self.label = self.acts.check_neuron(neuron), code or 0
        return {**self.show(neuron), "label": self.label}

    def show(self, neuron: int) -> dict[str, Any]:
        """Show a neuron. Returns the traits that do so."""
        self.neuron, self.edges, self.selection = neuron, [], []
        self.version += 1
        self._edges_version = self.version
        return {
            "_version": self.version,
            "neuron": neuron,
            "edges": [],
            "selection": [],
            "_picture": self.classes.pictures.pack(neuron),
            "_examples": self._examples(),
            "_lit_dots": self.dots(),
        }

    def dots(self) -> list[list[float]]:
        """Where the lit samples lie: activation and class of each."""
        return self.classes.pictures.dots(self.neuron, self.lit)

    def _examples(self) -> bytes:
        return self.classes.pictures.pack_examples(self.neuron, self.label)

    @property
    def label_name(self) -> str:
        """The name of the label whose range is shown."""
        return self.classes.label_names[self.label]

    @property
    def interval(self) -> np.ndarray:
        """The range on the screen: float64 `P x 2`, pieces `[low, high]`."""
        if self.edges:
            return pieces(self.edges)
        ranges = self.classes.ranges.of_neuron(self.neuron)
        return ranges.pieces(0, self.label_name, self.tau, self.rule)

    def edits(self) -> dict[str, NeuronEdit]:
        """The range mask ("range") and the neuron mask ("neuron") on the screen."""
        return self._masks({name: getattr(self, name) for name in CHOICES})

    def _masks(self, chosen: Mapping[str, Any]) -> dict[str, NeuronEdit]:
        top = None if chosen["this_neuron_only"] else float(chosen["top"])
        return masks(
            self.classes.ranges, self.classes.label_names[chosen["label"]], chosen["neuron"],
            chosen["tau"], chosen["rule"], top, pieces(chosen["edges"]), self._to,
        )  # fmt: skip

    # What the user chooses

    def choose(self, name: str, value: Any, by_view: bool) -> dict[str, Any]:
        """Set a choice to a new value. Returns the traits that follow from it."""
        setattr(self, name, value)
        traits: dict[str, Any] = {}
        if name == "label" and self.classes.pictures.many:
            traits["_examples"] = self._examples()
        if name in OWN_RANGE:
            self.edges = traits["edges"] = []
            if not by_view:
                # A drag that is under way in a view is meant for the choice before.
                self.version += 1
                self._edges_version = traits["_version"] = self.version
        return traits

    def late(self, version: int, late: Mapping[str, Any]) -> dict[str, Any]:
        """What a view chose on the picture `version`, carried over to the present one."""
        # Newer activations of the same neuron leave a drawn range valid.
        edges = "edges" in late and version >= self._edges_version
        return {"edges": late["edges"]} if edges else {}

    def label_since(self, version: int, label: Any) -> Any:
        """The present number of a label that a view chose by its number in picture `version`."""
        known = [names for first, names in self._named_since if first <= version]
        whole = isinstance(label, int) and not isinstance(label, bool)
        if known and whole and 0 <= label < len(known[-1]):
            return self._code(known[-1][label])
        return label

    def _code(self, name: str) -> int:
        names = self.classes.label_names
        return names.index(name) if name in names else 0

    # Checks of what is chosen

    def check(self, name: str, value: Any) -> Any:
        """The value of a choice, if it fits.

        Raises:
            ValueError: it does not.
            IndexError: there is no such neuron.
        """
        checked: Any = getattr(self, f"_check_{name}")(value)
        return checked

    def _check_neuron(self, value: Any) -> int:
        return self.acts.check_neuron(value)

    def _check_label(self, value: Any) -> int:
        if isinstance(value, str):
            return self.classes.ranges.label(value)
        names = self.classes.label_names
        if isinstance(value, bool) or not 0 <= value < len(names):
            raise ValueError(
                f"label {value} has no range here; the labels are 0 to {len(names) - 1}, or their "
                "names."
            )
        return int(value)

    def _check_tau(self, value: Any) -> float:
        if not 0 <= value <= EXTREME:
            raise ValueError(f"tau must be 0 to {EXTREME:g} standard deviations, got {value!r}.")
        return float(value)

    def _check_rule(self, value: Any) -> str:
        if value not in RULES:
            raise ValueError(f"rule must be one of {', '.join(map(repr, RULES))}, got {value!r}.")
        return str(value)

    def _check_top(self, value: Any) -> float:
        if not 0 < value <= 1:
            raise ValueError(
                f"top must be a share of the neurons, above 0 and at most 1, got {value!r}."
            )
        return float(value)

    def _check_edges(self, value: Any) -> list[float | None]:
        edges: list[float | None] = list(value)
        if edges:
            ends = pieces(edges).ravel()
            if len(edges) % 2 or np.isnan(ends).any() or (np.diff(ends) < 0).any():
                raise ValueError(
                    "edges must be low, high, low, high ... in ascending order, with None for an "
                    f"open end, got {edges}."
                )
        return edges

    # Work that takes long

    def due(self) -> bool:
        """Whether masks are to be measured, or a prompt to be completed.

        Not while a capture runs: the model is in use, and the ranges are not final.
        """
        wanted = self.effects.measures or (bool(self.prompt) and self.effects.completes)
        return wanted and self.feed.complete

    def work(self, ask: bool = False) -> Steps:
        """Measure the masks and complete the prompt, then measure random bands, and every width of
        the rule ahead.

        `ask`: complete the prompt first, in any case.
        """
        if not self.due() or (not ask and self.classes.ranges.count[self.label] < 2):
            return
        yield JobProgress(0.0, "making the masks")
        chosen: dict[str, Any] = {}
        edits: dict[str, NeuronEdit] = {}
        prompt = ""

        # A step is taken under the lock: all choices are of one moment.
        def snapshot() -> None:
            nonlocal prompt
            prompt = self.prompt
            chosen.update({name: getattr(self, name) for name in CHOICES})
            edits.update(self.edits())

        yield snapshot
        put, effects = self._screen.put, self.effects
        writing = effects.completing(prompt, chosen["label"], edits, put)
        if ask:
            yield from writing
        yield from effects.measuring(chosen, edits, self.classes, put)
        if not ask and effects.completes:
            yield from writing

        yield from effects.controlling(chosen, edits, self.classes, put)

        def edit_at(tau: float) -> NeuronEdit:
            return self._masks({**chosen, "tau": tau, "edges": []})["range"]

        yield from effects.curving(chosen, edit_at, self.classes, put)

    def refreshed(self, acts: Activations) -> Prepared:
        """The ranges of newer activations. Returns what shows them.

        What the user chose stays.
        """
        yield pause
        classes = Classes.of(acts)
        yield pause

        def show() -> None:
            name, edges, edges_version = self.label_name, self.edges, self._edges_version
            rows = acts.samples.rows_of(self.acts.samples.dataset_indices(self.selection))
            self.classes = classes
            self.label = self._code(name)
            traits = {**self.show(self.neuron), "label": self.label}
            self._named_since.append((self.version, classes.label_names))
            self.edges = traits["edges"] = edges
            self.selection = traits["selection"] = rows[rows >= 0].tolist()
            self._edges_version = edges_version
            self._screen.put(traits)

        return show
