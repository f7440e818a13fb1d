"""What masks cost, as a table, as charts, with intervals."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True, repr=False, eq=False)
class MaskReport:
    """How `S` held-out samples fared under `V = 1 + (T + 1) * C` passes.

    Attributes:
        layer: the masked layer.
        label_names: the `C` labels that were masked.
        taus: the `T` range masks; the neuron mask is `tau = inf`.
        truth: int64 `S`, each sample's class.
        classes: int64 `C`, the class of each label.
        right: bool `V x S`, whether the class was predicted: base first, then for each tau and
            at last the neuron mask, for each label.
        confidence: float32 `V x S`, the probability of the true class.
        resumed: whether what lies below the layer was computed once only.
        note: if not, why.
    """

    layer: str
    label_names: tuple[str, ...]
    taus: tuple[float, ...]
    truth: np.ndarray
    classes: np.ndarray
    right: np.ndarray
    confidence: np.ndarray
    resumed: bool
    note: str

    def to_frame(self, resamples: int = RESAMPLES, seed: int = 0) -> Any:
        """A `pandas.DataFrame` with a row per label and mask.

        Columns: `label`; `mask` ("base", "range", "neuron"); `tau`; `target` and `other`, the
        accuracy on the label's samples and on all others, each with a 95% bootstrap interval
        over samples (`_low`, `_high`); `target_confidence`, `other_confidence`.
        """
        import pandas as pd

        rng = np.random.default_rng(seed)
        rows = []
        for c, name in enumerate(self.label_names):
            mine = self.truth == self.classes[c]
            passes = [("base", np.nan, 0)]
            passes += [("range", t, self._pass(i, c)) for i, t in enumerate(self.taus)]
            passes += [("neuron", np.inf, self._pass(len(self.taus), c))]
            for mask, tau, v in passes:
                row: dict[str, Any] = {"label": name, "mask": mask, "tau": tau}
                for part, chosen in (("target", mine), ("other", ~mine)):
                    right = self.right[v, chosen]
                    low, high = _interval(right, resamples, rng)
                    row[part] = right.mean() if len(right) else np.nan
                    row |= {f"{part}_low": low, f"{part}_high": high}
                    sure = self.confidence[v, chosen]
                    row[f"{part}_confidence"] = sure.mean() if len(sure) else np.nan
                rows.append(row)
        return pd.DataFrame(rows)

    def frontier(self, resamples: int = RESAMPLES, seed: int = 0) -> Any:
        """A `pandas.DataFrame` with a row per mask: accuracy drops, averaged over labels.

        Columns: `mask`, `tau`, `target_drop` and `other_drop` with 95% bootstrap intervals over
        samples, and `share_target`, `share_other`: the drops as shares of the neuron mask's.
        """
        import pandas as pd

        rng = np.random.default_rng(seed)
        count = len(self.truth)
        draws = np.stack(
            [np.bincount(rng.integers(0, count, count), minlength=count) for _ in range(resamples)]
        )
        exact = self._drops(np.ones((1, count)))[0]
        spread = self._drops(draws)
        missing = np.isnan(spread).all(axis=0)
        ends = np.nanquantile(np.where(missing, 0, spread), [0.025, 0.975], axis=0)
        low, high = np.where(missing, np.nan, ends)
        whole = exact[-1]
        rows = []
        for i, tau in enumerate((*self.taus, np.inf)):
            row = {"mask": "range" if i < len(self.taus) else "neuron", "tau": tau}
            for k, part in enumerate(("target", "other")):
                row[f"{part}_drop"] = exact[i, k]
                row |= {f"{part}_drop_low": low[i, k], f"{part}_drop_high": high[i, k]}
                row[f"share_{part}"] = exact[i, k] / whole[k] if whole[k] else np.nan
            rows.append(row)
        return pd.DataFrame(rows)

    def to_altair(self) -> Any:
        """An Altair chart: target drop against the others' drop, a point per tau."""
        import altair as alt

        frame = self.frontier()
        frame["name"] = [_mask_name(tau) for tau in frame["tau"]]
        base = alt.Chart(frame.replace(np.inf, None)).encode(
            x=alt.X("other_drop:Q").title("accuracy lost on all other labels"),
            y=alt.Y("target_drop:Q").title("accuracy lost on the masked label"),
        )
        dots = base.mark_circle(size=60, color="#4477AA").encode(tooltip=["name"])
        return dots + base.mark_text(dx=8, align="left").encode(text="name")

    def _pass(self, tau: int, label: int) -> int:
        return 1 + tau * len(self.label_names) + label

    def _drops(self, weight: np.ndarray) -> np.ndarray:
        """Weighted drops, averaged over labels: `N x (T + 1) x 2` for `N x S` weights."""
        out = []
        for c in range(len(self.label_names)):
            mine = self.truth == self.classes[c]
            for part in (mine, ~mine):
                share = weight * part
                total = share.sum(axis=1, keepdims=True)
                passes = [0, *(self._pass(t, c) for t in range(len(self.taus) + 1))]
                mean = share @ self.right[passes].T.astype(np.float64)
                mean = np.divide(mean, total, out=np.full_like(mean, np.nan), where=total > 0)
                out.append(mean[:, :1] - mean[:, 1:])
        stacked = np.stack(out).reshape(len(self.label_names), 2, len(weight), -1)
        missing = np.isnan(stacked).all(axis=0)
        mean = np.nanmean(np.where(missing, 0, stacked), axis=0)
        return np.where(missing, np.nan, mean).transpose(1, 2, 0)

    def __repr__(self) -> str:
        how = "resumed at the layer" if self.resumed else f"full passes ({self.note})"
        return (
            f"MaskReport({len(self.label_names)} labels of layer {self.layer!r}, "
            f"{len(self.truth):,} samples, tau {', '.join(f'{t:g}' for t in self.taus)}; {how})"
        )

    def _repr_html_(self) -> str:
        head = ("mask", "masked label loses", "all others lose")

        def cell(row: Any, part: str) -> str:
            value, low, high = (row[f"{part}_drop{end}"] for end in ("", "_low", "_high"))
            return f"<td>{value:.3f} ({low:.3f} to {high:.3f})</td>"

        rows = "".join(
            f"<tr><td style='text-align:left'>{_mask_name(row['tau'])}</td>"
            f"{cell(row, 'target')}{cell(row, 'other')}</tr>"
            for row in self.frontier().to_dict("records")
        )
        columns = "".join(f"<th>{name}</th>" for name in head)
        return (
            f"<p>{html.escape(repr(self))}</p><table><thead><tr>{columns}</tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )


def _interval(right: np.ndarray, resamples: int, rng: np.random.Generator) -> tuple[float, float]:
    """95% bootstrap interval of a proportion: resampling `n` of them is a binomial draw."""
    if len(right) == 0:
        return np.nan, np.nan
    draws = rng.binomial(len(right), right.mean(), resamples) / len(right)
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _mask_name(tau: float) -> str:
    return f"range, tau {tau:g}" if np.isfinite(tau) else "neuron mask"
