"""A library of concepts from any neuron, layer or model, and where else they fire."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.retrieval import DEFAULT, check_by, scored_rows
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.core.checks import integer, is_integer
from neuronwidgets.core.modes import own_modes
from neuronwidgets.display.html import table
from neuronwidgets.libraries import io
from neuronwidgets.libraries.pinned import PinnedConcept, keys_of

DRAWS = 2000
"""Permutations of the null of the library's concepts, which are few."""
FEWEST = 5
"""Samples of a concept that two data sets must share, at least, to say where it fires."""


class Library:
    """Concepts that were pinned, from any neuron of any layer or model.

    Attributes:
        entries: the concepts, in the order of pinning.
    """

    def __init__(self) -> None:
        self.entries: list[PinnedConcept] = []
        self._data: dict[str, np.ndarray] = {}
        """For each data set the keys of its samples: uint64, ascending."""

    def pin(self, concepts: Any, which: int | Iterable[int] | None = None) -> Library:
        """Keep concepts. One that is kept already takes its new name. Returns the library.

        Args:
            concepts: `Concepts`, such as `explorer.concepts` of a SplitExplorer.
            which: the numbers of the concepts; not given: all of them.

        Raises:
            ValueError, TypeError: the concepts were loaded from disk, so that their samples are
                not known; no concepts.
            IndexError: no such concept.
        """
        if not isinstance(concepts, Concepts):
            raise TypeError(
                "concepts must be Concepts, such as split.cut(), the .concepts of a SplitExplorer "
                f"or the .split.concepts of nw.explore(...), got {type(concepts).__name__}."
            )
        acts = concepts.require_split("pin").acts
        if which is None:
            numbers = list(range(len(concepts)))
        else:
            numbers = [which] if is_integer(which) else list(which)  # type: ignore[list-item,arg-type]
        for number in numbers:
            if not (is_integer(number) and 0 <= number < len(concepts)):
                raise IndexError(
                    f"concept {number!r} is not there: the cut has {len(concepts)} concepts, 0 to "
                    f"{len(concepts) - 1}."
                )
        keys = keys_of(acts)
        known = np.unique(keys)
        data = hashlib.blake2b(known.tobytes(), digest_size=8).hexdigest()
        self._data[data] = known
        for number in numbers:
            self._add(PinnedConcept.of(concepts, int(number), keys, data))
        return self

    def _add(self, entry: PinnedConcept) -> None:
        for place, kept in enumerate(self.entries):
            if kept.same(entry):
                self.entries[place] = entry
                return
        self.entries.append(entry)

    def unpin(self, which: int | str) -> None:
        """Drop the concept of this number or name."""
        self.entries.remove(self[which])

    def merge(self, other: Library) -> Library:
        """Add the concepts of another library. Returns this one.

        Raises:
            TypeError: `other` is no library.
        """
        if not isinstance(other, Library):
            raise TypeError(f"merge takes a Library, got a {type(other).__name__}.")
        self._data |= other._data
        for entry in list(other.entries):
            self._add(entry)
        return self

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[PinnedConcept]:
        return iter(self.entries)

    def __getitem__(self, which: int | str) -> PinnedConcept:
        """The concept of this number, or the only one of this name.

        Raises:
            IndexError: no such number.
            KeyError: no such name, or several.
        """
        if isinstance(which, str):
            named = [entry for entry in self.entries if entry.name == which]
            if len(named) != 1:
                what = f"{len(named)} concepts are" if named else "no concept is"
                names = ", ".join(repr(entry.name) for entry in self.entries[:8])
                raise KeyError(f"{what} called {which!r}; the library has {names or 'none'}.")
            return named[0]
        if not is_integer(which) or not -len(self) <= which < len(self):
            raise IndexError(f"concept {which!r} is not in the library, which has {len(self)}.")
        return self.entries[which]

    # Elsewhere

    @own_modes()
    def scores(self, acts: Any, by: str = DEFAULT) -> np.ndarray:
        """How strongly each sample of another data set has each concept: float32 `S x N`.

        Args:
            acts: activations of the layer that all concepts are from.
            by: "cosine", "cosine-origin" or "dot", see `Concepts.retrieve`.

        Raises:
            ValueError: an unknown `by`; a concept is from another layer.
        """
        acts, by = Activations.of(acts), check_by(by)
        scores = np.zeros((len(acts), len(self)), np.float32)
        for number, entry in enumerate(self.entries):
            if not entry.same_space(acts):
                raise ValueError(
                    f"{entry!r} is not a direction of {acts.layer!r} ({acts.shape[1]:,} neurons): "
                    "where(acts, concept) finds it in other layers and models, by their samples."
                )
            scores[:, number] = self._scored(acts, entry, by)
        return scores

    def _scored(self, acts: Activations, entry: PinnedConcept, by: str) -> np.ndarray:
        vector = entry.difference if by == "cosine" else entry.vector
        column: np.ndarray = scored_rows(acts, np.arange(len(acts)), vector[None], entry.mean, by)[
            :, 0
        ]
        return column

    @own_modes()
    def where(self, acts: Any, concept: int | str, top: int = 20) -> Any:
        """Where else a concept fires: the neurons of any layer or model that agree with it.

        A neuron agrees where it is more active on the concept's samples than on the others of the
        concept's data set. Only samples that both data sets have are compared, so the spaces may
        differ. Concepts of this library that live in the layer of `acts` are ranked as well. In the
        concept's own layer, its own neuron is high up because it chose the concept's samples.

        Args:
            acts: activations of any layer, of any model, on (some of) the same samples.
            concept: its number or name.
            top: how many neurons and concepts to list.

        Returns:
            A `pandas.DataFrame`, best first: `kind` ("neuron" or "concept"), `neuron`, `name`,
            `auroc` (0.5: chance), `p`, and `q` (Benjamini and Hochberg, over the neurons or over
            the concepts), as `contrast` has them. `attrs` has the numbers of `members` and `others`
            that were compared.

        Raises:
            ValueError: the data sets share fewer than 5 of the concept's samples, or no others.
            IndexError, KeyError: no such concept.
        """
        import pandas as pd

        from neuronwidgets.effects.contrast import contrast

        acts, entry = Activations.of(acts), self[concept]
        top = integer("top", top, 1)
        if len(entry.members) < FEWEST:
            raise ValueError(
                f"{entry.name!r} has {len(entry.members)} samples, and at least {FEWEST} are "
                f"needed to compare: split with min_size={FEWEST} or a larger top."
            )
        keys = keys_of(acts)
        members = np.flatnonzero(np.isin(keys, entry.members))
        others = np.flatnonzero(
            np.isin(keys, self._data[entry.data]) & ~np.isin(keys, entry.members)
        )
        if len(members) < FEWEST or not len(others):
            raise ValueError(
                f"these activations share {len(members)} of the {len(entry.members)} samples of "
                f"{entry.name!r} and {len(others):,} others of its data set: at least {FEWEST} and "
                "1 are needed. Capture the other layer on the same texts or images."
            )
        found = contrast(acts, members, others)
        parts = [
            pd.DataFrame(
                {
                    "kind": "neuron", "neuron": np.arange(acts.shape[1]), "name": "",
                    "auroc": found.auroc, "p": found.p, "q": found.q,
                }
            )
        ]  # fmt: skip
        concepts = self._concepts_in(acts, entry, members, others)
        if concepts is not None:
            parts.append(concepts)
        frame = pd.concat(parts, ignore_index=True)
        frame = frame.sort_values("auroc", ascending=False, kind="stable", ignore_index=True)
        frame = frame.head(top)
        frame.attrs = {"members": len(members), "others": len(others), "layer": acts.layer}
        return frame

    def _concepts_in(
        self, acts: Activations, entry: PinnedConcept, members: np.ndarray, others: np.ndarray
    ) -> Any:
        """The agreement of the library's other concepts that live in the layer of `acts`."""
        import pandas as pd

        from neuronwidgets.effects.contrast import contrast

        here = [e for e in self.entries if e is not entry and e.same_space(acts)]
        if not here:
            return None
        scores = [self._scored(acts, other, DEFAULT) for other in here]
        whole = Activations(acts.layer, np.stack(scores, axis=1), acts.samples)
        found = contrast(whole, members, others, draws=DRAWS)
        return pd.DataFrame(
            {
                "kind": "concept",
                "neuron": [-1 if other.neuron is None else other.neuron for other in here],
                "name": [other.name for other in here],
                "auroc": found.auroc,
                "p": found.p,
                "q": found.q,
            }
        )

    # Showing and keeping

    def to_frame(self) -> Any:
        """A `pandas.DataFrame`, a row per concept: `name`, `layer`, `at`, `neuron` (-1: a
        direction), `samples`, `width`, `threshold`."""
        import pandas as pd

        columns = ["name", "layer", "at", "neuron", "samples", "width", "threshold"]
        rows = [
            (
                e.name, e.layer, e.at, -1 if e.neuron is None else e.neuron, len(e.members),
                len(e.vector), e.threshold,
            )
            for e in self.entries
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=columns)

    def save(self, path: str | Path) -> Path:
        """Write `PATH.safetensors` and `PATH.json`, without the samples. Returns the first.

        Raises:
            OSError: they cannot be written.
        """
        return io.save(self.entries, self._data, path)

    @classmethod
    @own_modes()
    def load(cls, path: str | Path) -> Library:
        """Open what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or no library.
        """
        library = cls()
        library.entries, library._data = io.load(path)
        return library

    def __repr__(self) -> str:
        layers = len({(entry.layer, entry.at) for entry in self.entries})
        noun = "concept" if len(self) == 1 else "concepts"
        of = f" of {layers} layer{'s' * (layers != 1)}" if self.entries else ""
        return f"Library({len(self)} {noun}{of})"

    def _repr_html_(self) -> str:
        rows = [
            (
                str(number), html.escape(entry.name), f"<code>{html.escape(entry.layer)}</code>",
                "" if entry.neuron is None else str(entry.neuron), f"{len(entry.members):,}",
            )
            for number, entry in enumerate(self.entries)
        ]  # fmt: skip
        head = ("", "concept", "layer", "neuron", "samples")
        return f"<p>{html.escape(repr(self))}</p>" + (table(head, rows, {1, 2}) if rows else "")
