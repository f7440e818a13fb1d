"""What a split's concept vectors find in the whole dataset, gathered while the drag rests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.concepts import Concepts, Split
from neuronwidgets.concepts.refine import refine
from neuronwidgets.concepts.retrieval import unit
from neuronwidgets.palette import COLORS
from neuronwidgets.widgets._assessment import Assessment
from neuronwidgets.widgets._faces import Text, cut_text, pack_faces
from neuronwidgets.widgets._jobs import Progress, Steps
from neuronwidgets.widgets._protocol import pack
from neuronwidgets.widgets._words import Words

if TYPE_CHECKING:
    from neuronwidgets.widgets._truth import Truth

FOUND = 20
"""How many samples are looked up for each vector; the view shows the first of them."""
SHOWN = 8
ALL_FACES = 1000
"""Up to so many top samples are sent with their faces; of more, each concept's exemplars."""
PREFETCH = 256
"""Trees with at most so many possible concepts have all of them looked up ahead."""
CHUNK = 16


class Evidence:
    """The evidence for one split: grows as the user moves, and is packed for the views.

    Texts are read token by token where the activations lack it, unless `reads` is false.
    """

    def __init__(self, split: Split, truth: Truth | None = None, reads: bool = True) -> None:
        self.split = split
        self.reads = reads
        self.truth = truth
        self._found: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}
        self._texts: dict[int, Text] = {}
        self._sent = self._tree_faces()
        self._extra: set[int] = set()
        self._refined: set[int] = set()
        tree = split.tree
        self._possible = np.flatnonzero(tree.size >= split.min_size)[::-1]
        self.assessment = Assessment(split)
        self.words = Words(split)

    # What the views get

    def pack_tree(self) -> bytes:
        """The `tree` message."""
        split, acts, tree = self.split, self.split.acts, self.split.tree
        along = acts.along(split.direction if split.neuron is None else split.neuron)
        faces, about = pack_faces(acts.samples, sorted(self._sent - self._later), self._texts)
        tensors = {
            "merge": tree.children,
            "height": tree.merge_heights,
            "row": split.index.astype(np.int32),
            "activation": split.activations.astype(np.float32),
            "map": split.map,
            "color": split.colors,
            **faces,
        }
        if split.points is not None:
            about["elsewhere"] = True
        if split.labels is not None:
            tensors["label"] = split.labels.astype(np.int32)
        if self.truth is not None:
            nodes = np.sort(self._possible)
            tensors["truth_node"] = nodes.astype(np.int32)
            tensors["truth"] = self.truth.cosines(split, self._vectors(nodes.tolist()))
            names = [self.truth.names[i] for i in self.truth.drivers(split)]
            about["truth"] = {"names": names, "recovered": self.truth.recovered}
        return pack(
            tensors,
            {
                "layer": acts.layer,
                "name": split.name,
                "neurons": acts.shape[1],
                "samples": len(acts),
                "method": split.method,
                "metric": split.metric,
                "minSize": split.min_size,
                "labels": list(acts.label_titles),
                "range": [float(along.min()), float(along.max())],
                "suggested": split.suggested,
                "palette": list(COLORS),
                "words": self.words.able,
                **about,
            },
        )

    def pack_evidence(self) -> bytes:
        """The `evidence` message."""
        nodes = list(self._found)
        found = [self._found[n] for n in nodes]
        rows = _shown(found) | self._refined | self._extra | set(self._texts)
        fresh = sorted((rows - self._sent) | self._later)
        faces, about = pack_faces(self.split.acts.samples, fresh, self._texts)
        words = [self.words.of(n) for n in nodes]
        return pack(
            {"node": np.asarray(nodes, np.int32), **self._pack_found(found), **faces},
            {"words": words, **about},
        )

    def pack_refinement(
        self,
        labels: np.ndarray,
        marks: np.ndarray,
        nodes: np.ndarray,
        found: list[tuple[np.ndarray, np.ndarray, float]],
        threshold: float,
        vectors: np.ndarray,
    ) -> bytes:
        """The `refinement` message; the faces that it needs are in the next `evidence`."""
        self._refined = _shown(found)
        tensors = self._pack_found(found)
        if self.truth is not None:
            tensors["truth"] = self.truth.cosines(self.split, vectors)
        return pack(
            {
                "concept": labels.astype(np.int32),
                "mark": marks.astype(np.int8),
                "node": nodes.astype(np.int32),
                **tensors,
            },
            {"threshold": threshold},
        )

    @property
    def _later(self) -> set[int]:
        """Rows whose faces come with the evidence instead of the tree: texts, which are read on."""
        return self._sent if self.split.acts.samples.kind == "text" else set()

    def _pack_found(
        self, found: Sequence[tuple[np.ndarray, np.ndarray, float]]
    ) -> dict[str, np.ndarray]:
        acts = self.split.acts
        width = min(FOUND, len(acts))
        index = np.stack([f[0] for f in found]) if found else np.zeros((0, width), np.int64)
        label = np.full(index.shape, -1) if acts.labels is None else acts.labels[index]
        return {
            "found": index.astype(np.int32),
            "projection": np.stack([f[1] for f in found]) if found else np.zeros((0, width), "f4"),
            "found_label": label.astype(np.int32),
            "cosine": np.array([f[2] for f in found], np.float32),
        }

    # What gathers it

    def lacks(self, nodes: Sequence[int]) -> bool:
        """Whether there is anything left to gather for `nodes`."""
        found = all(n in self._found for n in nodes)
        said = found and self.assessment.done and not (self.reads and self.words.lacks(nodes))
        return not said or bool(self._unread(nodes))

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Gather what `nodes` find, then what any other possible concept would, and publish."""
        wanted = [n for n in nodes if n not in self._found]
        if len(self._possible) <= PREFETCH:
            wanted += [int(n) for n in self._possible if n not in self._found and n not in nodes]
        if wanted:
            gathered = yield from self.find(self._vectors(wanted))

            # Kept as it is published: a job whose place was taken publishes nothing.
            def show() -> None:
                self._found.update(zip(wanted, gathered, strict=True))
                self._extra |= self._exemplars(nodes) - self._sent
                publish()

            yield show
        yield from self._read(self._unread(nodes), publish)
        yield from self.assessment.steps(publish)
        if self.reads:
            yield from self.words.steps(nodes, publish)
        if len(self._possible) <= PREFETCH:
            possible = self._possible.tolist()
            if self.reads:
                yield from self.words.steps(possible, publish)
            yield from self._read(self._unread(possible), publish)

    def find(self, vectors: np.ndarray) -> Any:
        """Steps that return `(rows, projections, cosine)` for each of `K x D` unit vectors."""
        acts = self.split.acts
        words = f"looking through {len(acts):,} samples"
        steps = finding(acts, vectors, FOUND)
        while True:
            try:
                share = next(steps)
            except StopIteration as done:
                rows, scores = done.value
                break
            yield Progress(share, words)
        cosines = np.clip(vectors.astype(np.float64) @ self.split.direction, -1, 1)
        return [(r, s, float(c)) for r, s, c in zip(rows, scores, cosines, strict=True)]

    def regroup(self, threshold: float) -> Any:
        """Steps that return the `refinement` message and the membership."""
        yield Progress(0.1, "k-means")
        done = refine(self.split, threshold)
        refined = Concepts.at(self.split, threshold).regrouped(done)
        found: list[Any] = []
        if len(refined):
            found = yield from self.find(refined.vectors)
        marks = np.where(done.moved, 1, np.where(done.left, 2, 0)).astype(np.int8)
        packed = self.pack_refinement(
            refined.labels, marks, refined.nodes, found, threshold, refined.vectors
        )
        return packed, done

    def _vectors(self, nodes: Sequence[int]) -> np.ndarray:
        tree, vectors = self.split.tree, self.split.vectors
        if not nodes:
            return np.zeros((0, vectors.shape[1]), np.float32)
        return unit(np.stack([vectors[tree.members(n)].mean(0, dtype=np.float64) for n in nodes]))

    def _unread(self, nodes: Sequence[int]) -> list[int]:
        """Texts on the cards of `nodes` that were not yet read token by token."""
        acts = self.split.acts
        if acts.samples.kind != "text" or not len(acts.samples.spans):
            return []
        if acts.samples.token is None and (acts.tokens is None or not self.reads):
            return []
        rows = self.split.index[:SHOWN].tolist() + sorted(self._exemplars(nodes))
        rows += [r for n in nodes if n in self._found for r in self._found[n][0][:SHOWN].tolist()]
        return [row for row in dict.fromkeys(rows) if row not in self._texts]

    def _read(self, rows: list[int], publish: Callable[[], None]) -> Steps:
        """Read texts token by token, with the activation of each token."""
        for start in range(0, len(rows), CHUNK):
            yield Progress(start / len(rows), f"reading {len(rows):,} texts token by token")
            chunk = rows[start : start + CHUNK]
            for row, values in zip(chunk, self._token_values(chunk), strict=True):
                self._texts[row] = self._text(row, values)
            if start + CHUNK >= len(rows) or (start // CHUNK) % 4 == 3:
                yield publish

    def _token_values(self, rows: list[int]) -> list[np.ndarray]:
        """For each text of `rows`, each token's activation; from the store where it has them."""
        acts, direction = self.split.acts, self.split.direction
        item, token = acts.samples.item, acts.samples.token
        if item is not None and token is not None:
            mates = [np.flatnonzero(item == item[row]) for row in rows]
            out = []
            for row, same in zip(rows, mates, strict=True):
                values = np.zeros(len(acts.samples.spans[item[row]]), np.float32)
                values[token[same]] = acts.rows(same) @ direction
                out.append(values)
            return out
        return acts.tokens(rows, direction) if acts.tokens is not None else []

    def _text(self, row: int, values: np.ndarray) -> Text:
        samples = self.split.acts.samples
        item = samples.item_of(row)
        spans = samples.spans[item]
        return cut_text(
            samples.texts[item], spans, values if len(values) else None, samples.token_of(row)
        )

    def _exemplars(self, nodes: Iterable[int]) -> set[int]:
        """Rows of the strongest samples of some nodes."""
        index, tree = self.split.index, self.split.tree
        best = (np.sort(tree.members(n))[:SHOWN] for n in nodes)
        return {int(row) for members in best for row in index[members]}

    def _tree_faces(self) -> set[int]:
        """Rows whose faces travel with the tree."""
        split, tree = self.split, self.split.tree
        if tree.n <= ALL_FACES:
            return set(split.index.tolist())
        big = np.flatnonzero(tree.size >= split.min_size)
        biggest = big[np.argsort(-tree.size[big], kind="stable")]
        rows = set(split.index[:SHOWN].tolist())
        for node in biggest:
            rows |= self._exemplars([int(node)])
            if len(rows) >= ALL_FACES:
                break
        return rows


def _shown(found: Iterable[tuple[np.ndarray, np.ndarray, float]]) -> set[int]:
    """Rows of what vectors find that a view shows."""
    return {row for rows, _, _ in found for row in rows[:SHOWN].tolist()}
