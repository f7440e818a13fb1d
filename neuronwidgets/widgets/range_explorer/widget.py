"""RangeExplorer: drag a concept's range on a neuron and see what its mask costs the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.samples import Samples
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.display.palette import COLORS
from neuronwidgets.intervals.ranges import Ranges, labelled, ranges
from neuronwidgets.intervals.rules import EXTREME, RULES
from neuronwidgets.interventions.completions import completing
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.masks import NeuronEdit, To
from neuronwidgets.interventions.perplexity import check_causal
from neuronwidgets.widgets.base.jobs import Progress, Steps
from neuronwidgets.widgets.base.widget import IDLE, Widget, front_end
from neuronwidgets.widgets.range_explorer.mask_cost import MaskCost
from neuronwidgets.widgets.range_explorer.picture import Pictures, telling
from neuronwidgets.widgets.range_explorer.range_mask import key_of, masks, pieces

REST = 0.2
"""Seconds without a change after which the drag rests."""
MOST_RANKED = 1 << 26


class RangeExplorer(Widget):
    """One neuron's classes on its activation axis, and the range of one of them to drag.

    The view moves the range itself, at every frame; Python follows. What the mask costs the model
    is measured when the drag rests, as a job; so are a language model's completions.
    """

    _esm = front_end("range-explorer.js")
    _css = front_end("range-explorer.css")

    neuron = t.Int(0).tag(sync=True)
    """The neuron on the screen."""
    label = t.Union([t.Int(), t.Unicode()]).tag(sync=True, echo_update=False)
    """The class whose range is shown: its place among the labels; a name may be set."""
    tau = t.CFloat(2.0).tag(sync=True, echo_update=False)
    """The range's width, in standard deviations, 0 to 4."""
    rule = t.Unicode("gaussian").tag(sync=True, echo_update=False)
    """"gaussian", "quantile" or "discriminative", see `Ranges.intervals`."""
    edges = t.List(t.CFloat(allow_none=True)).tag(sync=True, echo_update=False)
    """The user's own range on this neuron, `[low, high, low, high, ...]`, `None` for an open end;
    empty: as the rule says."""
    top = t.CFloat(0.3).tag(sync=True, echo_update=False)
    """The share of the label's salient neurons that a mask edits."""
    alone = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether a mask edits this neuron only."""
    selection = t.List(t.Int()).tag(sync=True, echo_update=False)
    """The samples selected in the view: rows of the activations."""
    can = t.Dict().tag(sync=True)
    measure = t.Dict().tag(sync=True)
    """What the mask costs, as far as it was measured."""
    prompt = t.Unicode("").tag(sync=True)
    completions = t.Dict().tag(sync=True)
    """How the language model goes on from `prompt`: without mask, range mask, neuron mask."""
    _picture = t.Bytes().tag(sync=True)
    _examples = t.Bytes().tag(sync=True)

    _LATE = ("edges", "selection")

    def __init__(
        self,
        acts: Activations | Concepts,
        neuron: int | None = None,
        label: Any = None,
        tau: float = 2.0,
        rule: str = "gaussian",
        top: float = 0.3,
        *,
        model: Any = None,
        data: Any = None,
        labels: Any = None,
        texts: Any = None,
        language_model: Any = None,
        tokenizer: Any = None,
        prompt: str = "",
        classes: Sequence[str] | None = None,
        predict: Any = None,
        transform: Any = None,
        to: To = "mean",
        batch_size: int = 64,
        max_length: int | None = None,
        neuron_axis: int | None = None,
    ) -> None:
        """Open the explorer.

        Args:
            acts: labelled `Activations`, which the ranges are from; or the `Concepts` of a split,
                whose ranges on the split neuron are shown.
            neuron: its number; not given: the one on which a label stands most apart.
            label: a label's name or number.
            tau, rule: the range, see `Ranges.intervals`.
            top: how many of the label's salient neurons a mask edits, a share.
            model: a classifier with the layer of `acts`, to measure what masks cost it; or a
                language model, to read what it writes under them.
            data, labels: held-out samples for that, as `evaluate_masks` takes them.
            texts: texts to measure perplexity on.
            language_model: a causal language model with the same layer; not given: `model`, if it
                is one.
            tokenizer: of both models.
            prompt: complete this at once.
            classes, predict, to, transform, batch_size, max_length, neuron_axis: see
                `evaluate_masks`.
        """
        if data is not None and model is None:
            raise ValueError("data= is there to measure what masks cost a model: pass model=, too.")
        if texts is not None and data is None:
            raise ValueError("texts= are measured along with data=: pass model= and data=, too.")
        concepts = acts if isinstance(acts, Concepts) else None
        if concepts is not None and data is not None:
            raise ValueError("concepts are no classes of the model, so there is nothing to measure "
                             "on data=: give labelled Activations for that.")  # fmt: skip
        acts = labelled(acts)
        assert acts.labels is not None
        self._acts, self._model, self._to, self._axis = acts, model, to, neuron_axis
        present = sorted(set(acts.labels[acts.labels >= 0].tolist()))
        self._label_names = tuple(acts.label_names[c] for c in present)
        if concepts is not None:
            colors = tuple(concepts.colors[c] for c in present)
            split = concepts.split
            neuron = split.neuron if neuron is None and split is not None else neuron
        else:
            colors = (COLORS[0],) * len(present)
        first, chosen = 0, 0
        if label is not None:
            chosen = self._code(label)
        if neuron is None:
            first, chosen = telling(self.ranges, None if label is None else chosen)
        else:
            first = acts.check_neuron(neuron)
        self._pictures = Pictures(acts, self.ranges, colors, "label" if concepts is None
                                  else "concept")  # fmt: skip
        self._speaker = self._speaking(language_model, model)
        self._tokenizer = tokenizer
        self._cost: MaskCost | None = None
        self._applying: int | None = threading.get_ident()
        self._quiet = True
        super().__init__()
        with self._opening():
            self.can = {
                "measure": model is not None and data is not None,
                "perplexity": texts is not None,
                "complete": self._speaker is not None and tokenizer is not None,
            }
            if self.can["measure"]:
                self._cost = MaskCost(
                    model, data, acts.layer, self._label_names, self.ranges.seen, labels=labels,
                    texts=texts, language_model=language_model, tokenizer=tokenizer,
                    classes=classes, predict=predict, transform=transform,
                    batch_size=batch_size, max_length=max_length, neuron_axis=neuron_axis,
                )  # fmt: skip
            self._show(first)
            self._applying = None
            self.label = chosen
            if self._pictures.many:
                self._exemplify()
            self.tau, self.rule, self.top = tau, rule, top
            self._quiet = False
            if prompt:
                self.complete(prompt)
            else:
                self._refresh()

    # What a user reads

    @property
    def acts(self) -> Activations:
        """The activations that the ranges are from."""
        return self._acts

    @cached_property
    def ranges(self) -> Ranges:
        """The ranges of all neurons, as `neuronwidgets.ranges` gives them; of more than 67 million
        activations, from every second or third ... sample."""
        acts = self._acts
        step = -(-acts.values.size // MOST_RANKED)
        if step <= 1 or acts.labels is None:
            return ranges(acts)
        rows = np.argsort(acts.labels, kind="stable")[::step]
        thin = replace(acts, values=acts.values[rows], labels=acts.labels[rows],
                       samples=Samples(len(rows)))  # fmt: skip
        return replace(ranges(thin), seen=frozenset(acts.samples.fingerprints()))

    @property
    def interval(self) -> np.ndarray:
        """The range on the screen: float64 `P x 2`, pieces `[low, high]`."""
        with self._jobs.lock:
            if self.edges:
                return pieces(self.edges)
            name = self._label_names[self.label]
            return self._here.pieces(0, name, self.tau, self.rule)

    @property
    def edit(self) -> NeuronEdit:
        """The mask on the screen; `applied(model, explorer.edit)` applies it."""
        with self._jobs.lock:
            return self._edits()["range"]

    def mask(self, model: Any = None) -> AbstractContextManager[Any]:
        """`with explorer.mask(): ...`: the model under the mask on the screen."""
        model = self._model if model is None else model
        if model is None:
            raise ValueError("there is no model: pass it here, or RangeExplorer(..., model=...).")
        return applied(model, self.edit, self._axis)

    def complete(self, prompt: str) -> None:
        """Let the language model go on from `prompt`, without mask, and under both masks."""
        if not self.can.get("complete"):
            raise ValueError("there is no language model with a tokenizer: pass language_model= "
                             "and tokenizer=.")  # fmt: skip
        self.prompt = str(prompt)
        self._start(self._steps(ask=True))

    def __repr__(self) -> str:
        if not hasattr(self, "_here"):
            return "RangeExplorer()"
        return (
            f"RangeExplorer(neuron {self.neuron} of layer {self._acts.layer!r}, "
            f"{self._label_names[self.label]!r}, tau {self.tau:g}, {self.rule})"
        )

    # Setting, from Python or from a view: refused in words

    @t.validate("neuron")
    def _check_neuron(self, proposal: Any) -> int:
        return self._acts.check_neuron(proposal["value"])

    @t.validate("label")
    def _check_label(self, proposal: Any) -> int:
        value = proposal["value"]
        if isinstance(value, str):
            return self._code(value)
        if isinstance(value, bool) or not 0 <= value < len(self._label_names):
            raise t.TraitError(f"label {value} has no range here; the labels are 0 to "
                               f"{len(self._label_names) - 1}, or their names.")  # fmt: skip
        return int(value)

    def _code(self, value: Any) -> int:
        try:
            return self.ranges.label(value)
        except ValueError as error:
            raise t.TraitError(str(error)) from None

    @t.validate("tau")
    def _check_tau(self, proposal: Any) -> float:
        if not 0 <= proposal["value"] <= EXTREME:
            raise t.TraitError(f"tau={proposal['value']!r}; 0 to {EXTREME:g} standard deviations "
                               "are shown.")  # fmt: skip
        return float(proposal["value"])

    @t.validate("rule")
    def _check_rule(self, proposal: Any) -> str:
        if proposal["value"] not in RULES:
            raise t.TraitError(f"rule={proposal['value']!r}; one of "
                               f"{', '.join(map(repr, RULES))} is needed.")  # fmt: skip
        return str(proposal["value"])

    @t.validate("top")
    def _check_top(self, proposal: Any) -> float:
        if not 0 < proposal["value"] <= 1:
            raise t.TraitError(f"top={proposal['value']!r}; a share of the neurons, up to 1, is "
                               "needed.")  # fmt: skip
        return float(proposal["value"])

    @t.validate("edges")
    def _check_edges(self, proposal: Any) -> list[float | None]:
        edges: list[float | None] = list(proposal["value"])
        if edges:
            ends = pieces(edges).ravel()
            if len(edges) % 2 or np.isnan(ends).any() or (np.diff(ends) < 0).any():
                raise t.TraitError(
                    f"edges={edges}; low, high, low, high ... in ascending order are needed, None "
                    "for an open end."
                )
        return edges

    @t.observe("neuron")
    def _neuron_changed(self, change: Any) -> None:
        if self._applying != threading.get_ident():
            self._show(change["new"])
            self._refresh()

    @t.observe("label", "tau", "rule", "edges", "top", "alone")
    def _moved(self, change: Any) -> None:
        if self._quiet:
            return
        if change["name"] == "label" and self._pictures.many:
            self._exemplify()
        if change["name"] in ("label", "tau", "rule"):
            # A range drawn by hand is one label's, at one width.
            self.edges = []
            if change["name"] not in self._property_lock:
                # Set from Python: a drag that is under way means what was there before.
                self._serial += 1
        if self.status["state"] == "error":
            self.status = IDLE
        self._refresh(REST)

    def _go_on(self) -> None:
        self._refresh()

    # Asked for by a view

    def _messages(self) -> dict[str, Any]:
        return {
            **super()._messages(),
            "neuron.request": lambda message: self._ask_neuron(message.get("neuron")),
            "prompt.request": lambda message: self.complete(str(message.get("prompt", ""))),
        }

    def _ask_neuron(self, neuron: Any) -> None:
        self.neuron = self._acts.check_neuron(neuron)

    # What both share

    def _show(self, neuron: int) -> None:
        with self._together(), self._applied():
            self._here = self.ranges.of_neuron(neuron)
            self._serial += 1
            self.neuron = neuron
            self.edges, self.selection = [], []
            self._picture = self._pictures.pack(neuron)
            self._exemplify()
            if self.status["state"] == "error":
                self.status = IDLE

    def _exemplify(self) -> None:
        self._examples = self._pictures.pack_examples(self.neuron, int(self.label))

    @contextmanager
    def _applied(self) -> Iterator[None]:
        """Traits set inside are the widget's own doing."""
        before, quiet = self._applying, self._quiet
        self._applying, self._quiet = threading.get_ident(), True
        try:
            yield
        finally:
            self._applying, self._quiet = before, quiet

    def _asked(self) -> dict[str, Any]:
        names = ("neuron", "label", "tau", "rule", "edges", "top", "alone")
        return {name: getattr(self, name) for name in names}

    def _edits(self) -> dict[str, NeuronEdit]:
        """The range mask and the neuron mask on the screen."""
        return masks(
            self.ranges, self._label_names[self.label], self.neuron, self.tau, self.rule,
            None if self.alone else float(self.top), pieces(self.edges), self._to,
        )  # fmt: skip

    def _refresh(self, delay: float = 0.0) -> None:
        """Measure, and complete again, once the drag rests."""
        if self._cost is not None or (self.prompt and self.can.get("complete")):
            self._start(self._steps(), delay)

    def _steps(self, ask: bool = False) -> Steps:
        with self._jobs.lock:
            asked, prompt = self._asked(), self.prompt
        if not ask and self._here.count[asked["label"]] < 2:
            return
        yield Progress(0.0, "making the masks")
        with self._jobs.lock:
            edits = self._edits()
        if ask:
            yield from self._complete(prompt, edits)
        yield from self._measure(asked, edits)
        if prompt and not ask:
            yield from self._complete(prompt, edits)

    def _measure(self, asked: dict[str, Any], edits: dict[str, NeuronEdit]) -> Steps:
        if self._cost is None:
            return
        if self.measure.get("done") == asked and not self._cost.changed():
            return
        keys = {name: key_of(edit) for name, edit in edits.items()}
        total = f" of {self._cost.total:,}" if self._cost.total else ""
        bars: dict[str, Any] = {}
        for share, bars in self._cost.steps(asked["label"], edits, keys):
            yield Progress(share, f"measuring the masks on {bars['samples']:,}{total} samples")
            yield partial(self._put, "measure", {"for": asked, **bars})
        yield partial(self._put, "measure", {"for": asked, "done": asked, **bars})

    def _complete(self, prompt: str, edits: dict[str, NeuronEdit]) -> Steps:
        if not prompt:
            return
        assert self._speaker is not None
        about = {"prompt": prompt, "label": int(self.label)}
        yield Progress(0.0, "writing")
        texts: dict[str, str] = {"base": "", "range": "", "neuron": ""}
        every = {"base": None, **edits}
        try:
            for texts in completing(self._speaker, self._tokenizer, prompt, every,
                                    neuron_axis=self._axis):  # fmt: skip
                yield partial(self._put, "completions", {**about, **texts, "done": False})
        except ValueError:
            # A prompt that will not do is not tried again at the next drag.
            yield partial(self._put, "prompt", "")
            raise
        yield partial(self._put, "completions", {**about, **texts, "done": True})

    def _put(self, name: str, value: Any) -> None:
        with self._together():
            setattr(self, name, value)

    def close(self) -> None:
        """End the job, and let go of what was kept for it."""
        super().close()
        self._cost = None

    @staticmethod
    def _speaking(language_model: Any, model: Any) -> Any:
        """The language model, or `None`."""
        if language_model is not None:
            check_causal(language_model)
            return language_model
        can = getattr(model, "can_generate", None)
        return model if can is not None and can() else None
