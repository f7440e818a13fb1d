"""The effects of neurons, concepts or vectors on a model's outputs."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuronwidgets.core.layer_place import At, titled
from neuronwidgets.display.html import table
from neuronwidgets.effects.lens import Lens

SHOWN = 12
"""Rows of the HTML table."""
WORDS = 5
"""Outputs in a cell of the HTML table."""


@dataclass(frozen=True, repr=False, eq=False)
class Effects:
    """The outputs (tokens or classes) that each of `K` vectors promotes and demotes.

    Attributes:
        layer, at: the layer.
        kind: what the outputs are, "token" or "class".
        names: of the `K` neurons, concepts or vectors. A neuron of a gated MLP has two poles.
        outputs: the names of the `V` outputs that are shown, by number.
        logit: the logit lens: through the linear way from the layer to the output. `None` where
            there is none.
        jacobian: the Jacobian lens: the mean first-order effect through all that follows. `None`
            without data.
        cosine: float64 `K`, between the effects by both lenses; NaN without both.
        chance_cosine: float64 `R`, the same for random vectors.
        share: float64 `K`, the share of samples on which a neuron's pole is active; NaN if unknown.
        norms: the number of norms on the linear way; their scale is held fixed.
        samples: the number of samples of the Jacobian lens.
        note: why a lens is missing, and what to bear in mind; "" if nothing.
    """

    layer: str
    at: At
    kind: str
    names: tuple[str, ...]
    outputs: dict[int, str]
    logit: Lens | None
    jacobian: Lens | None
    cosine: np.ndarray
    chance_cosine: np.ndarray
    share: np.ndarray
    norms: int
    samples: int
    note: str = ""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def lenses(self) -> dict[str, Lens]:
        """The lenses that there are: "logit", "jacobian"."""
        both = {"logit": self.logit, "jacobian": self.jacobian}
        return {name: lens for name, lens in both.items() if lens is not None}

    def promoted(self, i: int, lens: str | None = None) -> list[str]:
        """The outputs that vector `i` raises most. `lens`: "logit" or "jacobian"; the first that
        there is."""
        return [self.outputs[n] for n in self._lens(lens).promoted[i].tolist()]

    def demoted(self, i: int, lens: str | None = None) -> list[str]:
        """The outputs that vector `i` lowers most."""
        return [self.outputs[n] for n in self._lens(lens).demoted[i].tolist()]

    def _lens(self, name: str | None) -> Lens:
        lenses = self.lenses
        if name is None:
            return next(iter(lenses.values()))
        if name not in lenses:
            raise ValueError(f"lens must be one of {', '.join(lenses)}, got {name!r:.40}. "
                             f"{self.note}".strip())  # fmt: skip
        return lenses[name]

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per vector and lens.

        Columns: `name`, `lens`, `promoted` and `demoted` (lists of names), `peak`, `chance` (the
        mean `peak` of random vectors), `agreement`, `cosine` (with the other lens), `share`.
        """
        import pandas as pd

        rows = [
            {
                "name": name, "lens": kind, "promoted": self.promoted(i, kind),
                "demoted": self.demoted(i, kind), "peak": lens.peak[i],
                "chance": float(np.mean(lens.chance)) if len(lens.chance) else np.nan,
                "agreement": lens.agreement[i], "cosine": self.cosine[i], "share": self.share[i],
            }
            for i, name in enumerate(self.names)
            for kind, lens in self.lenses.items()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        noun = {"token": "tokens", "class": "classes"}[self.kind]
        first = ", ".join(self.promoted(0)[:3])
        return (
            f"Effects({len(self):,} x {noun} of {titled(self.layer, self.at)}, "
            f"{' and '.join(self.lenses)} lens; {self.names[0]} promotes {first})"
        )

    def _repr_html_(self) -> str:
        rows = []
        for i, name in list(enumerate(self.names))[:SHOWN]:
            for kind, lens in self.lenses.items():
                sides = self.promoted(i, kind), self.demoted(i, kind)
                words = [html.escape(" · ".join(side[:WORDS])) for side in sides]
                cells = [html.escape(name), kind, *words]
                chance = f" ({lens.chance.mean():.1f})" if len(lens.chance) else ""
                rows.append([*cells, f"{lens.peak[i]:.1f}{chance}", _number(lens.agreement[i]),
                             _number(self.cosine[i])])  # fmt: skip
        head = (
            "", "lens", "promotes", "demotes",
            "<span title='Strongest effect, in standard deviations (random vectors)'>peak</span>",
            "<span title='Cosine of the effects from two halves of the samples'>halves</span>",
            "<span title='Cosine of the effects by both lenses'>lenses</span>",
        )  # fmt: skip
        more = f"<p>the first {SHOWN} of {len(self):,}; all: <code>to_frame()</code></p>"
        note = f"<p>{html.escape(self.note)}</p>" if self.note else ""
        below = more if len(self) > SHOWN else ""
        return f"<p>{html.escape(repr(self))}</p>{table(head, rows, {0, 1, 2, 3})}{below}{note}"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}"
