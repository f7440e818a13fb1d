"""A split layer: its neurons' splits, concepts and scores, ranked in a table."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.tokens import tokens_of
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.doubts import doubt
from neuronwidgets.concepts.naming.majority import majority_name
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names
from neuronwidgets.layer_splits.block import Block
from neuronwidgets.layer_splits.io import Folder
from neuronwidgets.layer_splits.partial import unpadded
from neuronwidgets.layer_splits.settings import Settings

SHOWN = 10
"""Rows of the HTML table, and neurons named in an error."""
RANK = "polysemanticity"
"""The score that ranks neurons."""
FEW = 10
"""The fewest top samples with which a neuron is ranked. Fewer than these separate by chance."""


@dataclass(frozen=True, repr=False, eq=False)
class LayerSplit:
    """A layer's neurons (or directions), each with its top samples, tree, concepts and scores.

    `index`, `activations`, `Z`, `threshold`, `assignment`, `counts` and `vectors` join those of all
    blocks (see `Block`); `scores` maps names to float64 `N`.

    Attributes:
        acts: the activations that were split; `None` if the layer was loaded without them.
        layer: the layer's name.
        targets: int64 `N`, the requested neurons, or float64 `N x D`, the requested directions.
        settings: the arguments of `split_layer`.
        blocks: the blocks that are done.
    """

    acts: Activations | None
    layer: str
    targets: np.ndarray
    settings: Settings
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    @property
    def done(self) -> bool:
        """Whether all requested neurons are done."""
        return len(self) == len(self.targets)

    @property
    def kind(self) -> str:
        """ "neuron" or "direction"."""
        return "neuron" if self.targets.ndim == 1 else "direction"

    def __getattr__(self, name: str) -> np.ndarray:
        if name not in _COLUMNS:
            return _FORMER(self, name)
        if not self.blocks:
            raise ValueError(f"none of the {len(self.targets):,} {self.kind}s is done yet.")
        parts = [getattr(block, name) for block in self.blocks]
        joined: np.ndarray = parts[0] if len(parts) == 1 else np.concatenate(parts)
        # A cache: Python calls `__getattr__` only for missing attributes.
        self.__dict__[name] = joined
        return joined

    @cached_property
    @own_modes()
    def scores(self) -> dict[str, np.ndarray]:
        """Each score's column, float64 `N`, in the order of `SCORES`."""
        order = [name for score in SCORES.values() for name in score.columns]
        names = sorted(
            self.blocks[0].scores if self.blocks else {},
            key=lambda name: order.index(name) if name in order else len(order),
        )
        return {name: np.concatenate([b.scores[name] for b in self.blocks]) for name in names}

    @cached_property
    def ranked(self) -> np.ndarray:
        """int64 `N`: the neurons' indices into the arrays, the most polysemantic first.

        The score "polysemanticity" ranks them if it was computed, else the number of concepts.
        Neurons with a NaN score, fewer than 10 top samples or a text in `doubts` come last.
        """
        values = self.scores.get(RANK, self.counts.astype(np.float64))
        is_ranked = ~np.isnan(values) & (self.tops >= min(FEW, self.settings.top))
        is_ranked &= np.array([not text for text in self.doubts], bool)
        key = np.where(is_ranked, -values, np.inf)
        return np.lexsort((np.arange(len(values)), -self.counts, key))

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """For each neuron, the reason not to trust its concepts: its top samples stand at one
        position of their texts, or are nearly equal. "" without a reason."""
        if self.acts is None:
            return ("",) * len(self)
        samples, metric = self.acts.samples, self.settings.metric
        return tuple(
            doubt(samples, index[:m], unpadded(Z, m), metric) if m > 1 else ""
            for index, Z, m in zip(self.index, self.Z, self.tops.tolist(), strict=True)
        )

    def place(self, neuron: int) -> int:
        """The index of a neuron (or of the direction of this number) in the arrays.

        Raises:
            IndexError: it was not requested, or is not done yet.
        """
        matches = np.flatnonzero(self.neurons == neuron)
        if len(matches) == 0:
            first = ", ".join(map(str, self.neurons[:SHOWN].tolist()))
            more = ", ..." if len(self) > SHOWN else ""
            done = "" if self.done else f"; {len(self):,} of {len(self.targets):,} are done"
            raise IndexError(
                f"{self.kind} {neuron!r} is not in this split of {self.layer!r}, which has "
                f"{first}{more}{done}."
            )
        return int(matches[0])

    @own_modes()
    def split(self, neuron: int) -> Split:
        """The split of one neuron (or direction), as `neuronwidgets.split` gives it, without
        further clustering."""
        return self._split(self.place(neuron))

    @own_modes()
    def concepts(self, neuron: int) -> Concepts:
        """One neuron's concepts at its cut, refined if the layer was split with `refined`."""
        i = self.place(neuron)
        cut = self._split(i).cut(float(self.threshold[i]))
        return cut.refine(seed=self.settings.seed) if self.settings.refined else cut

    @own_modes()
    def concept_vectors(self, neuron: int) -> np.ndarray:
        """float32 `K x D`: one neuron's concept vectors."""
        i = self.place(neuron)
        for block in self.blocks:
            if i < len(block):
                first = int(block.counts[:i].sum())
                return block.vectors[first : first + int(block.counts[i])]
            i -= len(block)
        raise AssertionError

    def _split(self, i: int) -> Split:
        if self.acts is None:
            raise ValueError(
                "this needs the activations, and the layer was loaded without them: use "
                "LayerSplit.load(folder, acts)."
            )
        m = int(self.tops[i])
        index = np.asarray(self.index[i, :m])
        return self.settings.split(
            self.acts,
            self.targets[i],
            index,
            np.asarray(self.activations[i, :m]),
            self.acts.rows(index),
            unpadded(self.Z[i], m),
        )

    def names(self, i: int) -> str:
        """The majority labels (or tokens) of the `i`-th neuron's concepts, with their counts.

        "Artist x2, Village", for example; empty without labels.
        """
        acts = self.acts
        if acts is None:
            return ""
        counts: Counter[str] = Counter()
        m = int(self.tops[i])
        tokens = tokens_of(acts, self.index[i, :m])
        if tokens is None and acts.labels is None:
            return ""
        labels = None if acts.labels is None else acts.labels[self.index[i, :m]]
        for concept in range(int(self.counts[i])):
            members = np.flatnonzero(self.assignment[i, :m] == concept)
            counts[majority_name(members, labels, acts.label_titles, tokens) or "mixed"] += 1
        return _counted(counts)

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per neuron, the most polysemantic first.

        Columns: `neuron` (or `direction`), `concepts` (their number), `names` (their majority
        labels, if there are labels), every score, `threshold` (of the cut), `top` (the number of
        top samples), `unassigned` (those in no concept), `largest` and `smallest` (the activation
        on the first and the last of them); `doubts`, if there are any.
        """
        import pandas as pd

        columns: dict[str, Any] = {self.kind: self.neurons, "concepts": self.counts}
        names = [self.names(i) for i in range(len(self))]
        if any(names) or (self.acts is not None and self.acts.labels is not None):
            columns["names"] = names
        columns |= {name: values for name, values in self.scores.items() if name != "concepts"}
        columns |= {
            "threshold": self.threshold,
            "top": self.tops,
            "unassigned": self.tops - (self.assignment >= 0).sum(axis=1),
            "largest": self.activations[:, 0],
            "smallest": self.activations[np.arange(len(self)), np.maximum(self.tops, 1) - 1],
        }
        if any(self.doubts):
            columns["doubts"] = list(self.doubts)
        return pd.DataFrame(columns).iloc[self.ranked].reset_index(drop=True)

    def save(self, path: str | Path) -> Path:
        """Write a folder that `load` opens. Returns it.

        Raises:
            ValueError: the layer was loaded without its activations.
            StoreError: the folder holds anything else, or cannot be written.
        """
        if self.acts is None:
            raise ValueError("this layer was loaded without its activations: copy its folder.")
        folder = Folder(path)
        folder.open(self.acts, self.targets, self.settings)
        for number, block in enumerate(self.blocks):
            folder.write(number, block)
        return folder.path

    @classmethod
    @own_modes()
    def load(cls, path: str | Path, acts: Any = None) -> LayerSplit:
        """Open what `save` or `split_layer(..., out=...)` wrote, also while it is written.

        Args:
            path: the folder.
            acts: the activations (or plain array) that were split. `split`, `concepts` and names
                need them.

        Raises:
            StoreError: the folder holds no split layer, or a damaged one.
            ValueError: the layer was split from other activations.
        """
        folder = Folder(path)
        about = folder.about()
        names = {f.name for f in fields(Settings)}
        settings = Settings.of({name: value for name, value in about.items() if name in names})
        targets = np.asarray(folder.targets())
        if acts is not None:
            acts = Activations.of(acts)
            folder.open(acts, targets, settings)
        return cls(acts, about["layer"], targets, settings, tuple(folder.blocks()))

    def __repr__(self) -> str:
        of = "" if self.done else f" of {len(self.targets):,} so far"
        s = self.settings
        cut = "suggested thresholds" if s.threshold is None else f"threshold {s.threshold:.4g}"
        several = int((self.counts > 1).sum()) if self.blocks else 0
        return (
            f"LayerSplit({len(self):,} {self.kind}s{of} of layer {self.layer!r}, top {s.top:,}, "
            f"{s.method}/{s.metric}, {cut}{', refined' if s.refined else ''}, "
            f"{several:,} with several concepts)"
        )

    def _repr_html_(self) -> str:
        if not self.blocks:
            return f"<p>{html.escape(repr(self))}</p>"
        frame = self.to_frame()
        # All columns are too wide: of the scores' parts only p values are shown.
        parts = {name for score in SCORES.values() for name in score.columns} - set(SCORES)
        frame = frame.drop(columns=[c for c in frame if c in parts and not c.endswith("_p")])
        table = frame.head(SHOWN).to_html(
            index=False, border=0, float_format="{:.3g}".format, na_rep="", justify="left"
        )
        note = f"the first {SHOWN} of {len(self):,}; all columns: <code>to_frame()</code>"
        return f"<p>{html.escape(repr(self))}</p>{table}<p>{note}</p>"


def _counted(names: Counter[str]) -> str:
    parts = sorted(names.items(), key=lambda item: (item[0] == "mixed", -item[1], item[0]))
    return ", ".join(f"{name} x{count}" if count > 1 else name for name, count in parts)


_FORMER = former_names("LayerSplit", members="assignment", units="targets")
_COLUMNS = {f.name for f in fields(Block)} - {"scores"}
