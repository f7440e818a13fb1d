"""RangeExplorer: drag a concept's range on a neuron and see what its mask costs the model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np
import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.renamed import former_attribute
from neuronwidgets.intervals.ranges import Ranges, labelled
from neuronwidgets.interventions.intervention import applied
from neuronwidgets.interventions.masks import NeuronEdit, Replacement
from neuronwidgets.widgets.base.feed import Feed, is_capturing
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.base.live import Live, LiveWidget
from neuronwidgets.widgets.base.pace import Pace
from neuronwidgets.widgets.base.widget import as_trait_error
from neuronwidgets.widgets.range_explorer.classes import Classes, enough
from neuronwidgets.widgets.range_explorer.effects import MaskEffects, speaking
from neuronwidgets.widgets.range_explorer.mask_cost import MaskCost
from neuronwidgets.widgets.range_explorer.session import RangeSession


class RangeExplorer(LiveWidget):
    """The classes of one neuron on its activation axis, and the range of one of them to drag.

    The view moves the range itself, at every frame, and Python follows. What the mask costs the
    model is measured when the drag rests, as a job; so are a language model's completions.
    """

    _KIND = "range-explorer"

    neuron = t.Int(0).tag(sync=True)
    """The neuron on the screen."""
    label = t.Union([t.Int(), t.Unicode()]).tag(sync=True, echo_update=False)
    """The class whose range is shown: its index among the labels; a name may be set."""
    tau = t.CFloat(2.0).tag(sync=True, echo_update=False)
    """The width of the range in standard deviations, 0 to 4."""
    rule = t.Unicode("gaussian").tag(sync=True, echo_update=False)
    """"gaussian", "quantile" or "discriminative", see `Ranges.intervals`."""
    edges = t.List(t.CFloat(allow_none=True)).tag(sync=True, echo_update=False)
    """The band that the user drew on this neuron, `[low, high, low, high, ...]`, `None` for an open
    end; empty: the range of the rule. Every masked neuron has it at the same z-scores of the label
    (quantiles by the rule "quantile"), see `neuronwidgets.intervals.bands.carried`."""
    top = t.CFloat(0.3).tag(sync=True, echo_update=False)
    """The share of the label's salient neurons that a mask edits."""
    this_neuron_only = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether a mask edits this neuron only."""
    alone = former_attribute("RangeExplorer", "alone", "this_neuron_only")
    selection = t.List(t.Int()).tag(sync=True, echo_update=False)
    """The samples selected in the view: rows of the activations."""
    lit = t.List(t.Int()).tag(sync=True, echo_update=False)
    """Samples to light on the axis, such as those under the pointer in another widget: rows of the
    activations."""
    capabilities = t.Dict().tag(sync=True)
    """What the models allow: `{"measure": bool, "perplexity": bool, "complete": bool}`."""
    can = former_attribute("RangeExplorer", "can", "capabilities")
    measure = t.Dict().tag(sync=True)
    """What the mask costs, as far as it was measured."""
    curve = t.Dict().tag(sync=True)
    """What the rule's range mask costs at each width, as far as it was measured."""
    prompt = t.Unicode("").tag(sync=True)
    """The text that the language model continues."""
    completions = t.Dict().tag(sync=True)
    """How it continues `prompt`: without a mask, under the range mask, under the neuron mask."""

    _VERSIONED = ("edges", "selection")
    _pace = Pace(rest=0.2)
    _picture = t.Bytes().tag(sync=True)
    _examples = t.Bytes().tag(sync=True)
    _lit_dots = t.List().tag(sync=True)

    def __init__(
        self,
        acts: Any,
        neuron: int | None = None,
        label: Any = None,
        tau: float = 2.0,
        rule: str = "gaussian",
        top: float = 0.3,
        *,
        layer: str | None = None,
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
        to: Replacement = "mean",
        batch_size: int = 64,
        max_length: int | None = None,
        neuron_axis: int | None = None,
    ) -> None:
        """Open the explorer.

        Args:
            acts: labelled `Activations`, from which the ranges are made; or the `Concepts` of a
                split, whose ranges on the split neuron are shown; or a `Capturing` that still
                runs: the explorer opens once a label has two samples and is rebuilt as more
                arrive. What the user chose stays. Masks are measured, and prompts completed, when
                the capture has ended: until then the model is in use.
            neuron: its number; not given: the one on which a label stands most apart.
            label: the name or the number of a label.
            tau, rule: the range, see `Ranges.intervals`.
            top: how many of the label's salient neurons a mask edits, a share.
            layer: which one, of a running capture that reads several.
            model: a classifier with the layer of `acts`, to measure what masks cost it; or a
                language model, to read what it writes under them.
            data, labels: held-out samples for that, as `evaluate_masks` takes them.
            texts: texts to measure perplexity on.
            language_model: a causal language model with the same layer; not given: `model`, if it
                is one.
            tokenizer: of both models.
            prompt: a text to complete at once.
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
        if neuron is None and concepts is not None and concepts.split is not None:
            neuron = concepts.split.neuron
        feed = Feed(acts if is_capturing(acts) else labelled(acts), layer, self._pace)
        shown = Classes.of(feed.opened(partial(enough, label=label)), concepts)

        def cost(found: Classes) -> MaskCost:
            return MaskCost(
                model, data, found.acts.layer, found.label_names, found.ranges.seen, labels=labels,
                texts=texts, language_model=language_model, tokenizer=tokenizer, classes=classes,
                predict=predict, transform=transform, batch_size=batch_size,
                max_length=max_length, neuron_axis=neuron_axis, at=found.ranges.at,
            )  # fmt: skip

        measured = model is not None and data is not None
        effects = MaskEffects(
            cost if measured else None, speaking(language_model, model), tokenizer, neuron_axis
        )
        self._model, self._axis = model, neuron_axis
        session = self._session = RangeSession(feed, shown, self._screen, effects, to)
        self._live = Live(self, feed, self._pace, session.refreshed, session.work)
        with as_trait_error(ValueError):
            begun = session.begin(neuron, label)
        named = {
            "model": model, "data": data, "labels": labels, "texts": texts,
            "language_model": language_model, "tokenizer": tokenizer, "classes": classes,
            "predict": predict, "transform": transform, "to": None if to == "mean" else to,
            "batch_size": None if batch_size == 64 else batch_size, "max_length": max_length,
            "neuron_axis": neuron_axis,
        }  # fmt: skip
        super().__init__(_given=given("acts" if concepts is None else "concepts", **named))
        with self._opening():
            session.tau, session.rule, session.top = tau, rule, top
            allowed = {
                "measure": measured, "perplexity": texts is not None, "complete": effects.completes,
            }  # fmt: skip
            self._put({**begun, "tau": tau, "rule": rule, "top": top, "capabilities": allowed})
            if prompt:
                self.complete(prompt)
            else:
                self._refresh()
            self._live.follow()

    # What the user reads

    @property
    def acts(self) -> Activations:
        """The activations that the ranges are from; while a capture runs, those on the screen."""
        return self._session.acts

    @property
    def ranges(self) -> Ranges:
        """The ranges of all neurons, as from `neuronwidgets.ranges`; of more than 67 million
        activations, from evenly spaced samples."""
        return self._session.classes.ranges

    @property
    def interval(self) -> np.ndarray:
        """The range on the screen: float64 `P x 2`, pieces `[low, high]`."""
        with self._jobs.lock:
            return self._now().interval

    @property
    def edit(self) -> NeuronEdit:
        """The mask on the screen; `applied(model, explorer.edit)` applies it."""
        with self._jobs.lock:
            return self._now().edits()["range"]

    def mask(self, model: Any = None) -> AbstractContextManager[Any]:
        """`with explorer.mask(): ...`: the model under the mask on the screen.

        Raises:
            ValueError: there is no model.
        """
        model = self._model if model is None else model
        if model is None:
            raise ValueError("there is no model: pass it here, or RangeExplorer(..., model=...).")
        return applied(model, self.edit, self._axis)

    def complete(self, prompt: str) -> None:
        """Let the language model continue `prompt` without a mask, and under both masks.

        While a capture runs, the model is in use: the prompt is completed when it has ended.

        Raises:
            ValueError: there is no language model with a tokenizer.
        """
        if not self._session.effects.completes:
            raise ValueError("there is no language model with a tokenizer: pass language_model= "
                             "and tokenizer=.")  # fmt: skip
        self.prompt = str(prompt)
        if self._session.feed.complete:
            self._start(self._now().work(ask=True))

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None or not session.version:
            return "RangeExplorer()"
        return (
            f"RangeExplorer(neuron {self.neuron} of layer {self.acts.layer!r}, "
            f"{session.label_name!r}, tau {self.tau:g}, {self.rule})"
        )

    # Traits: checked, then passed on

    @t.validate("neuron", "label", "tau", "rule", "top", "edges")
    def _check(self, proposal: Any) -> Any:
        with as_trait_error(ValueError):
            return self._session.check(proposal["trait"].name, proposal["value"])

    @t.observe("neuron")
    def _neuron_changed(self, _change: Any) -> None:
        if self.neuron != self._session.neuron:
            self._put(self._now().show(self.neuron))
            self._clear()
            self._refresh()

    @t.observe("label", "tau", "rule", "edges", "top", "this_neuron_only")
    def _chosen(self, change: Any) -> None:
        # Its value now: an observer before this one may have changed it again.
        name = change["name"]
        if name in self._origin.own:
            setattr(self._session, name, getattr(self, name))
            return
        by_view = name in self._origin.viewed
        self._put(self._session.choose(name, getattr(self, name), by_view))
        self._live.touch()
        self._clear()
        self._refresh(self._pace.rest)

    @t.observe("lit")
    def _light(self, change: Any) -> None:
        self._session.lit = change["new"]
        self._put({"_lit_dots": self._session.dots()})

    @t.observe("prompt", "selection")
    def _kept(self, change: Any) -> None:
        setattr(self._session, change["name"], change["new"])

    def _now(self) -> RangeSession:
        """The session, with the traits whose observers are on hold or were removed."""
        with self._jobs.lock:
            for name in (
                "label",
                "tau",
                "rule",
                "edges",
                "top",
                "this_neuron_only",
                "prompt",
                "selection",
            ):
                setattr(self._session, name, getattr(self, name))
        return self._session

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Set the traits that a view has changed; a label by the numbers that the view knows."""
        if "label" in sync_data:
            with self._jobs.lock:
                seen = sync_data.get("_view_version", self._view_version)
                label = self._session.label_since(seen, sync_data["label"])
                super().set_state({**sync_data, "label": label})
        else:
            super().set_state(sync_data)

    def _set_late(self, version: int, late: dict[str, Any]) -> None:
        for name, value in self._session.late(version, late).items():
            setattr(self, name, value)

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        return {
            **super()._messages(),
            "neuron.request": lambda message: self._on_neuron_request(message.get("neuron")),
            "prompt.request": lambda message: self.complete(str(message.get("prompt", ""))),
        }

    def _on_neuron_request(self, neuron: Any) -> None:
        self.neuron = self.acts.check_neuron(neuron)

    # Effects of the masks

    def _refresh(self, delay: float = 0.0) -> None:
        """Measure the masks, and complete the prompt again, once the drag rests."""
        # Nothing is due before a capture's last picture is shown: no refresh is interrupted.
        if self._now().due():
            self._start(self._session.work(), delay)

    def _go_on(self) -> None:
        self._refresh()

    def close(self) -> None:
        """End the widget and its views, and let go of what is kept for its job.

        A capture that still runs goes on.
        """
        super().close()
        if hasattr(self, "_session"):
            self._session.effects.close()
