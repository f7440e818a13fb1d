"""The cost of masks as tables and charts, with bootstrap intervals."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.interventions.bootstrap import averaged, ends, resampled
from neuronwidgets.interventions.display import charts
from neuronwidgets.interventions.findings import findings
from neuronwidgets.interventions.setting import NEURON, Setting

RESAMPLES = 1000
"""Bootstrap resamples: the usual number for 95% intervals."""
SHOWN = 8
"""Sentences that the notebook shows; `MaskReport.findings` has all."""


@dataclass(frozen=True, repr=False, eq=False)
class MaskReport:
    """Predictions for `S` held-out samples in `V = 1 + len(settings) * C` passes.

    Attributes:
        layer: the masked layer.
        label_names: the `C` labels that were masked.
        settings: the ways to mask, each draw of a random band its own; a saliency method's last one
            is its neuron mask.
        truth: int64 `S`, each sample's class.
        classes: int64 `C`, the class of each label.
        predicted: int64 `V x S`, the predicted class: the base first, then for each setting, for
            each label.
        confidence: float32 `V x S`, the probability of the true class.
        metrics: float64 `V x S` for each of the user's metrics, by its name.
        nats, tokens: float64 `V x T` and int64 `T`: each text's negative log likelihood and
            predicted tokens, or `None` without texts.
        resumed: whether the layers below the masked one ran once for each batch.
        note: why they did not; empty where they did.
        class_names: the names of the model's classes.
        at: whether the layer's "output" was masked or its "input".
    """

    layer: str
    label_names: tuple[str, ...]
    settings: tuple[Setting, ...]
    truth: np.ndarray
    classes: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    nats: np.ndarray | None = None
    tokens: np.ndarray | None = None
    resumed: bool = True
    note: str = ""
    class_names: tuple[str, ...] = ()
    at: At = "output"

    @property
    def right(self) -> np.ndarray:
        """bool `V x S`: whether the true class was predicted."""
        return np.asarray(self.predicted == self.truth)

    @property
    def conditions(self) -> tuple[Setting, ...]:
        """The settings, all draws of a random band as one: the rows of `frontier`."""
        return tuple(dict.fromkeys(setting.condition for setting in self.settings))

    @own_modes()
    def by_label(self, resamples: int = RESAMPLES, seed: int = 0) -> Any:
        """A `pandas.DataFrame` of what each label loses: a row per mask, masked label and label.

        Columns: `saliency`, `mask`, `rule`, `tau`; `masked`, the label whose mask it is; `label`;
        `drop`, the drop in accuracy on that label's samples (negative: a gain), with a 95%
        bootstrap interval over samples (`_low`, `_high`).
        """
        import pandas as pd

        draws = resampled(len(self.truth), resamples, seed)
        right = self._joined(self.right)
        passes = range(len(right) - 1)
        rows: list[dict[str, Any]] = [
            {**_about(self.conditions[p // len(self.label_names)]),
             "masked": self.label_names[p % len(self.label_names)], "label": name}
            for p in passes for name in self.label_names
        ]  # fmt: skip
        for c in range(len(self.label_names)):
            mine = self.truth == self.classes[c]
            exact, spread = (averaged(right, mine, d) for d in (None, draws))
            low, high = ends(spread[:, :1] - spread[:, 1:])
            for p in passes:
                drop = exact[0, 0] - exact[0, p + 1]
                rows[p * len(self.label_names) + c] |= _with_ends("drop", drop, low[p], high[p])
        return pd.DataFrame(rows)

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences about what an average over labels hides.

        Masks under which the model predicts one class, labels that gain under their own mask,
        labels that the layer still holds, and ranges that cost no more than random bands; the
        largest effects first.
        """
        return findings(self)

    @own_modes()
    def to_frame(self, resamples: int = RESAMPLES, seed: int = 0) -> Any:
        """A `pandas.DataFrame` with a row per label and mask, the base first.

        Columns: `label`; `mask` ("base", "range", "random", the mean over the draws, or "neuron");
        `saliency`, `rule`, `tau`; `target`
        and `other`, the accuracy on the label's samples and on all others; the same two with
        `_confidence` and with each metric's name; `perplexity` where texts were given. Each measure
        has a 95% bootstrap interval over samples or texts (`_low`, `_high`), for the places that
        were drawn for random bands.
        """
        import pandas as pd

        measures = self._measures()
        draws = resampled(len(self.truth), resamples, seed)
        rows: list[dict[str, Any]] = []
        perplexities = self._perplexities(resamples, seed)
        texts = None if perplexities is None else (perplexities[0][0], *ends(perplexities[1]))
        for c, name in enumerate(self.label_names):
            passes = self._passes(c)
            for v, about in zip(passes, [_BASE, *map(_about, self.conditions)], strict=True):
                rows.append({"label": name, **about})
                if texts is not None:
                    rows[-1] |= _with_ends("perplexity", *(part[v] for part in texts))
            block = rows[-len(passes) :]
            mine = self.truth == self.classes[c]
            for part, chosen in (("target", mine), ("other", ~mine)):
                for measure, values in measures.items():
                    exact = averaged(values[passes], chosen)[0]
                    low, high = ends(averaged(values[passes], chosen, draws))
                    for i, row in enumerate(block):
                        row |= _with_ends(part + measure, exact[i], low[i], high[i])
        return pd.DataFrame(rows)

    @own_modes()
    def frontier(self, resamples: int = RESAMPLES, seed: int = 0) -> Any:
        """A `pandas.DataFrame` of the drops averaged over labels: a row per mask.

        Columns: `saliency`, `mask`, `rule`, `tau`; `target_drop` and `other_drop`, drops in
        accuracy; the same two with `_confidence` or a metric's name before `_drop`; `share_target`
        and `share_other`, the accuracy drops as shares of the neuron mask's; `perplexity_ratio`, to
        the base, where texts were given. Each measure has a 95% bootstrap interval over samples or
        texts (`_low`, `_high`).
        """
        import pandas as pd

        rows: list[dict[str, Any]] = [_about(setting) for setting in self.conditions]
        draws = resampled(len(self.truth), resamples, seed)
        neuron_masks = [self._neuron_mask(setting) for setting in self.conditions]
        for part in ("target", "other"):
            for measure, values in self._measures().items():
                exact, spread = (self._drops(values, part, d) for d in (None, draws))
                self._add(rows, f"{part}{measure}_drop", exact, spread)
                if not measure:
                    with np.errstate(divide="ignore", invalid="ignore"):
                        shares = [
                            np.where(d[:, neuron_masks], d / d[:, neuron_masks], np.nan)
                            for d in (exact, spread)
                        ]  # fmt: skip
                    self._add(rows, f"share_{part}", *shares)
        ratios = self._perplexities(resamples, seed)
        if ratios is not None:
            count = len(self.label_names)
            of_setting = [range(1 + i * count, 1 + (i + 1) * count) for i in range(len(rows))]
            exact, spread = (
                np.stack([(d / d[:, :1])[:, mine].mean(axis=1) for mine in of_setting], axis=1)
                for d in ratios
            )
            self._add(rows, "perplexity_ratio", exact, spread)
        return pd.DataFrame(rows)

    def to_altair(self) -> Any:
        """Altair charts on one page, see `neuronwidgets.interventions.display`."""
        return charts(self)

    def _passes(self, label: int) -> list[int]:
        """The rows of `_joined` of a label's masks, one for each condition; the base first."""
        count = len(self.label_names)
        return [0, *(1 + i * count + label for i in range(len(self.conditions)))]

    def _joined(self, values: np.ndarray) -> np.ndarray:
        """`V x S` values of the passes, averaged over draws: `1 + len(conditions) * C` rows."""
        count, conditions = len(self.label_names), self.conditions
        if len(conditions) == len(self.settings):
            return values
        rows = [values[:1]]
        for condition in conditions:
            draws = [i for i, each in enumerate(self.settings) if each.condition == condition]
            rows.append(np.mean([values[1 + i * count :][:count] for i in draws], axis=0))
        return np.concatenate(rows)

    def _neuron_mask(self, setting: Setting) -> int:
        """Index of the neuron mask that a condition is compared with."""
        conditions = self.conditions
        same = [i for i, each in enumerate(conditions) if each.saliency == setting.saliency]
        return next(i for i in same if conditions[i].rule == NEURON)

    def _measures(self) -> dict[str, np.ndarray]:
        """The measures that are averaged over samples, by the ending of their columns."""
        of_user = {f"_{name}": values for name, values in self.metrics.items()}
        measures = {"": self.right, "_confidence": self.confidence, **of_user}
        return {name: self._joined(values) for name, values in measures.items()}

    def _drops(self, values: np.ndarray, part: str, draws: np.ndarray | None) -> np.ndarray:
        """Base minus masked, averaged over the labels that have samples: `N x len(conditions)`."""
        drops = []
        for c in range(len(self.label_names)):
            mine = self.truth == self.classes[c]
            mean = averaged(values[self._passes(c)], mine if part == "target" else ~mine, draws)
            drops.append(mean[:, :1] - mean[:, 1:])
        stacked = np.stack(drops)
        missing = np.isnan(stacked).all(axis=0)
        mean = np.nanmean(np.where(missing, 0, stacked), axis=0)
        return np.where(missing, np.nan, mean)

    @staticmethod
    def _add(rows: list[dict[str, Any]], name: str, exact: np.ndarray, spread: np.ndarray) -> None:
        low, high = ends(spread)
        for i, row in enumerate(rows):
            row |= _with_ends(name, exact[0, i], low[i], high[i])

    def _perplexities(self, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Each pass's perplexity, exact (`1 x V`) and in resamples of the texts (`N x V`)."""
        if self.nats is None or self.tokens is None:
            return None
        nats, tokens = self._joined(self.nats), self.tokens
        draws = resampled(len(tokens), resamples, seed)
        draws = draws[draws @ tokens > 0]

        def of(weight: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                return np.asarray(np.exp(weight @ nats.T / (weight @ tokens)[:, None]))

        return of(np.ones((1, len(self.tokens)))), of(draws)

    def __repr__(self) -> str:
        passes = "resumed at the layer" if self.resumed else f"full passes ({self.note})"
        settings = ", ".join(dict.fromkeys(setting.name for setting in self.settings))
        return (
            f"MaskReport({len(self.label_names)} labels of {titled(self.layer, self.at)}, "
            f"{len(self.truth):,} samples, {settings}; {passes})"
        )

    def _repr_html_(self) -> str:
        several = len({setting.saliency for setting in self.settings}) > 1
        head = {"mask": "mask", "target_drop": "masked label loses", "other_drop": "others lose"}
        head |= {"share_target": "of the neuron mask's", "share_other": "of the neuron mask's"}
        order = ["mask", "target_drop", "share_target", "other_drop", "share_other"]
        if several:
            head, order = {"saliency": "neurons by", **head}, ["saliency", *order]
        if self.nats is not None:
            head, order = {**head, "perplexity_ratio": "perplexity x"}, [*order, "perplexity_ratio"]

        def cell(row: dict[str, Any], name: str) -> str:
            if name in ("mask", "saliency"):
                return html.escape(str(row[name]))
            value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
            if name.startswith("share"):
                return f"{value:.2f}"
            return f"{value:.3f} ({low:.3f} to {high:.3f})"

        frontier = self.frontier().to_dict("records")
        rows = [
            [cell(row | {"mask": setting.name}, name) for name in order]
            for row, setting in zip(frontier, self.conditions, strict=True)
        ]
        shown = table([head[name] for name in order], rows, range(1 + several))
        sentences = self.findings
        more = len(sentences) - SHOWN
        lines = [html.escape(sentence) for sentence in sentences[:SHOWN]]
        lines += [f"{more} more: <code>report.findings</code>"] if more > 0 else []
        notes = "".join(f"<li dir='auto'>{line}</li>" for line in lines)
        return f"<p>{html.escape(repr(self))}</p>{shown}{_labels_table(self)}" + (
            f"<ul>{notes}</ul>" if notes else ""
        )


def _labels_table(report: MaskReport) -> str:
    """Each label's drop under its own mask, and the other labels that lose most and gain most."""
    by_label = report.by_label(resamples=1)
    rows = []
    for setting in report.conditions:
        of_setting = by_label
        for name, value in _about(setting).items():
            of_setting = of_setting[of_setting[name] == value]
        for name in report.label_names:
            drops = of_setting[of_setting["masked"] == name].set_index("label")["drop"]
            others = drops.drop(name).dropna()
            cells = [f"{drops[name]:.3f}"]
            for extreme, sign in ((others.idxmax, 1), (others.idxmin, -1)) if len(others) else ():
                other = extreme()
                value = sign * float(others[other])
                cells.append(f"{html.escape(other)} {value:.3f}" if value > 0 else "none")
            rows.append([html.escape(setting.name), html.escape(name), *cells])
    head = ("mask", "of label", "it loses", "most lost by another", "most gained by another")
    shown = table(head, rows, range(len(head)))
    return f"<details><summary>Each label</summary>{shown}</details>"


_BASE = {"mask": "base", "saliency": "", "rule": "", "tau": np.nan}


def _about(setting: Setting) -> dict[str, Any]:
    return {
        "mask": setting.mask, "saliency": setting.saliency, "rule": setting.rule,
        "tau": setting.tau,
    }  # fmt: skip


def _with_ends(name: str, value: Any, low: Any, high: Any) -> dict[str, Any]:
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
