"""Every neuron of a layer, split."""

from __future__ import annotations

import html
from collections import Counter
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.doubts import doubt
from neuronwidgets.concepts.layer.block import Block
from neuronwidgets.concepts.layer.io import Folder
from neuronwidgets.concepts.layer.partial import unpadded
from neuronwidgets.concepts.layer.settings import Settings
from neuronwidgets.concepts.naming.majority import majority_name
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.concepts.split import Split
from neuronwidgets.concepts.tokens import tokens_of
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.renamed import former_names

SHOWN = 10
RANK = "polysemanticity"
FEW = 10
"""Fewer top samples than this do not rank a neuron: chance parts them as well."""


@dataclass(frozen=True, repr=False, eq=False)
class LayerSplit:
    """A layer's neurons (or directions), each with its top samples, tree, concepts and scores.

    `index`, `activations`, `Z`, `threshold`, `assignment`, `counts` and `vectors` are those of
    `Block`, of all neurons that are done; `scores` maps names to float64 `N`.

    Attributes:
        acts: what was split; `None` when loaded without.
        layer: the layer's name.
        targets: int64 `N`, the neurons asked for, or float64 `N x D`, the directions.
        settings: how.
        blocks: what is done.
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
        """Whether all neurons that were asked for are there."""
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
        # Kept: `__getattr__` is asked only for what is not there.
        found: np.ndarray = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self.__dict__[name] = found
        return found

    @cached_property
    @own_modes()
    def scores(self) -> dict[str, np.ndarray]:
        # In the registry's order, which a file does not keep.
        order = [name for one in SCORES.values() for name in one.columns]
        names = sorted(
            self.blocks[0].scores if self.blocks else {},
            key=lambda name: order.index(name) if name in order else len(order),
        )
        return {name: np.concatenate([b.scores[name] for b in self.blocks]) for name in names}

    @cached_property
    def ranked(self) -> np.ndarray:
        """int64 `N`: places, the most polysemantic first; what has no score, fewer than 10 top
        samples to tell it from, or a `doubts` about these, comes last.

        By the score "polysemanticity" where it was computed, else by the number of concepts.
        """
        by = self.scores.get(RANK, self.counts.astype(np.float64))
        told = ~np.isnan(by) & (self.tops >= min(FEW, self.settings.top))
        told &= np.array([not text for text in self.doubts], bool)
        return np.lexsort((np.arange(len(by)), -self.counts, np.where(told, -by, np.inf)))

    @cached_property
    def doubts(self) -> tuple[str, ...]:
        """For each neuron why its concepts should not be trusted, "" where nothing speaks so: its
        top samples all stand at one position, or are nearly equal."""
        if self.acts is None:
            return ("",) * len(self)
        samples, metric = self.acts.samples, self.settings.metric
        return tuple(
            doubt(samples, index[:m], unpadded(Z, m), metric) if m > 1 else ""
            for index, Z, m in zip(self.index, self.Z, self.tops.tolist(), strict=True)
        )

    def place(self, neuron: int) -> int:
        """Where a neuron (or the direction of this number) stands in the arrays.

        Raises:
            IndexError: it was not asked for, or is not done yet.
        """
        found = np.flatnonzero(self.neurons == neuron)
        if len(found) == 0:
            there = ", ".join(map(str, self.neurons[:SHOWN].tolist()))
            more = ", ..." if len(self) > SHOWN else ""
            of = "" if self.done else f"; {len(self):,} of {len(self.targets):,} are done"
            raise IndexError(
                f"{self.kind} {neuron!r} is not in this split of {self.layer!r}, which has "
                f"{there}{more}{of}."
            )
        return int(found[0])

    @own_modes()
    def split(self, neuron: int) -> Split:
        """One neuron (or direction) as `neuronwidgets.split` gives it: nothing is clustered."""
        return self._split(self.place(neuron))

    @own_modes()
    def concepts(self, neuron: int) -> Concepts:
        """One neuron's concepts at its cut, with k-means if the layer was split with it."""
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
                "this needs the activations, and the layer was loaded without: "
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
        """What the `i`-th neuron's concepts are by their labels (or tokens): the majority of each,
        counted.

        "Village, Artist, Artist" becomes "Artist x2, Village"; empty without labels.
        """
        acts = self.acts
        if acts is None:
            return ""
        found: Counter[str] = Counter()
        m = int(self.tops[i])
        tokens = tokens_of(acts, self.index[i, :m])
        if tokens is None and acts.labels is None:
            return ""
        labels = None if acts.labels is None else acts.labels[self.index[i, :m]]
        for concept in range(int(self.counts[i])):
            members = np.flatnonzero(self.assignment[i, :m] == concept)
            found[majority_name(members, labels, acts.label_titles, tokens) or "mixed"] += 1
        return _counted(found)

    @own_modes()
    def to_frame(self) -> Any:
        """A `pandas.DataFrame` with a row per neuron, the most polysemantic first.

        Columns: `neuron` (or `direction`), `concepts` (how many), `names` (with labels: what they
        are), every score, `threshold` (of the cut), `top` (how many top samples it has),
        `unassigned` (those in no concept), `largest` and `smallest` (the activation on the first
        and the last of them); `doubts`, if there are any.
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
            ValueError: it was loaded without its activations.
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
            acts: the activations (or plain array) that were split, for `split`, `concepts` and the
                labels' names.

        Raises:
            StoreError: nothing of the kind is there, or it is damaged.
            ValueError: other activations.
        """
        folder = Folder(path)
        about = folder.about()
        wanted = {f.name for f in fields(Settings)}
        settings = Settings.of({k: v for k, v in about.items() if k in wanted})
        targets = np.asarray(folder.targets())
        if acts is not None:
            acts = Activations.of(acts)
            folder.open(acts, targets, settings)
        return cls(acts, about["layer"], targets, settings, tuple(folder.blocks()))

    def __repr__(self) -> str:
        far = "" if self.done else f" of {len(self.targets):,} so far"
        s = self.settings
        at = "suggested thresholds" if s.threshold is None else f"threshold {s.threshold:.4g}"
        several = int((self.counts > 1).sum()) if self.blocks else 0
        return (
            f"LayerSplit({len(self):,} {self.kind}s{far} of layer {self.layer!r}, top {s.top:,}, "
            f"{s.method}/{s.metric}, {at}{', refined' if s.refined else ''}, "
            f"{several:,} with several concepts)"
        )

    def _repr_html_(self) -> str:
        if not self.blocks:
            return f"<p>{html.escape(repr(self))}</p>"
        table = self.to_frame()
        # A score's own column, and how far to trust the one that ranks; the rest is too wide.
        parts = {name for one in SCORES.values() for name in one.columns} - set(SCORES)
        table = table.drop(columns=[c for c in table if c in parts and not c.endswith("_p")])
        shown = table.head(SHOWN).to_html(
            index=False, border=0, float_format="{:.3g}".format, na_rep="", justify="left"
        )
        rest = f"the first {SHOWN} of {len(self):,}; all columns: <code>to_frame()</code>"
        return f"<p>{html.escape(repr(self))}</p>{shown}<p>{rest}</p>"


def _counted(found: Counter[str]) -> str:
    parts = sorted(found.items(), key=lambda one: (one[0] == "mixed", -one[1], one[0]))
    return ", ".join(f"{name} x{many}" if many > 1 else name for name, many in parts)


_FORMER = former_names("LayerSplit", members="assignment", units="targets")
_COLUMNS = {f.name for f in fields(Block)} - {"scores"}
