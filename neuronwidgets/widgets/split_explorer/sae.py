"""The features of a sparse autoencoder beside the concepts on the cards."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.split import Split
from neuronwidgets.core.arrays import number_array
from neuronwidgets.core.steps import mapped
from neuronwidgets.widgets.base.errors import in_words
from neuronwidgets.widgets.base.jobs import JobProgress, Publish, Steps, later
from neuronwidgets.widgets.base.pace import PACE, Pace
from neuronwidgets.widgets.protocol.buffers import pack

if TYPE_CHECKING:
    from neuronwidgets.effects.sae.sae import SAE

DRAWS, SEED = 500, 0
"""As `nw.match_features` has them by default."""
MOST = 1 << 24
"""Top samples times active features, at most: 64 MB, and as much for each random draw."""
LISTED = 8
"""Features that make a concept and are sent by number."""


@dataclass(frozen=True, eq=False)
class SAEFeatures:
    """What `sae=` gives: an autoencoder, or the features of all samples.

    Attributes:
        sae: the autoencoder; `None` if the features are given.
        values: `S x F`, the features of all samples; `None` if the autoencoder is given.
    """

    sae: SAE | None = None
    values: np.ndarray | None = None

    @classmethod
    def of(cls, given: Any) -> SAEFeatures | None:
        """The argument `sae` of SplitExplorer; `None` without.

        Raises:
            ValueError: it is neither an autoencoder nor a matrix of numbers.
        """
        if given is None:
            return None
        # Imported here: an explorer without an autoencoder does not need it.
        from neuronwidgets.effects.sae.sae import SAE

        if isinstance(given, SAE):
            return cls(given)
        values = number_array(given, "sae", form="an nw.SAE, or features, samples x features")
        if values.ndim != 2 or not values.shape[1]:
            raise ValueError(
                "sae must be an nw.SAE, or features, samples x features, got the shape "
                f"{values.shape}."
            )
        return cls(values=values)

    @property
    def total(self) -> int:
        """How many features there are."""
        return len(self.sae) if self.values is None else self.values.shape[1]  # type: ignore[arg-type]

    def check(self, acts: Activations) -> None:
        """Refuse activations of other neurons or samples.

        Raises:
            ValueError: the autoencoder is of another width, or the features of other samples.
        """
        if self.sae is not None:
            self.sae.check_layer(acts)
        elif self.values is not None and len(self.values) != len(acts):
            raise ValueError(
                f"sae must have a row for each of the {len(acts):,} samples, got "
                f"{len(self.values):,} rows of features."
            )

    def on(self, split: Split) -> np.ndarray:
        """float32 `n x m`, all features on the top samples of a split."""
        self.check(split.acts)
        if self.sae is not None:
            return self.sae.encode(split.acts, split.index)
        assert self.values is not None
        return np.asarray(self.values[split.index], np.float32)


@dataclass(frozen=True, eq=False)
class FeatureOf:
    """The feature that tells a node's samples from the other top samples best.

    Attributes:
        feature: its number; -1 if the node has all top samples.
        auroc: float64 3: held out; of random directions, their mean and what 95% have at most.
        cover: int64, features that together make the node, see `nw.match_features`.
        covered: float64 2, the share of its samples that they cover, and as many random directions.
        branch: the feature that tells its two branches apart; -1 without branches.
        branch_auroc: float64 2, held out, and of random directions.
        active: bool `(2 + d) x n`: where the feature is active, where one of `cover` is, where each
            of `d` random directions is that are active as often as the feature.
    """

    feature: int
    auroc: np.ndarray
    cover: np.ndarray
    covered: np.ndarray
    branch: int
    branch_auroc: np.ndarray
    active: np.ndarray


@dataclass(frozen=True, eq=False)
class _OnTop:
    """The `F` features that are active on at least two top samples: their numbers, their strengths
    `n x F`, and the layer on these samples."""

    features: np.ndarray
    strengths: np.ndarray
    values: np.ndarray


class SAEMatch:
    """The features beside each node of a split's tree, gathered in steps.

    Args:
        split: what they are about.
        given: the autoencoder or its features; `None`: there is nothing to gather.

    Attributes:
        of: the features that are known, by tree node.
    """

    def __init__(self, split: Split, given: SAEFeatures | None, pace: Pace = PACE) -> None:
        self._split, self._given, self._pace = split, given, pace
        self.of: dict[int, FeatureOf] = {}
        self._top: _OnTop | None = None
        self._note, self._explained, self._failed = "", float("nan"), False

    def lacks(self, nodes: Iterable[int]) -> bool:
        """Whether features of some of `nodes` are still to be found."""
        if self._given is None or self._failed or self._split.at_rest:
            return False
        return any(node not in self.of for node in nodes)

    def steps(self, nodes: Sequence[int], publish: Callable[[], None]) -> Steps:
        """Find the features of `nodes`. Report progress only if that takes time."""
        if not self.lacks(nodes):
            return
        yield later
        began = time.perf_counter()

        def progress(share: float) -> JobProgress | Publish:
            slow = time.perf_counter() - began > self._pace.silent
            return JobProgress(share, "SAE features beside the concepts") if slow else later

        try:
            wanted = [node for node in nodes if node not in self.of]
            found = yield from mapped(self._measuring(wanted), progress)
        except (ImportError, IndexError, MemoryError, TypeError, ValueError) as error:
            # An autoencoder that does not fit must not end the rest of the evidence.
            failure = in_words(error)

            def fail() -> None:
                self._note, self._failed = failure, True
                publish()

            yield fail
            return

        # Kept when published: a job that was replaced publishes nothing.
        def show() -> None:
            self.of |= found
            publish()

        yield show

    def _measuring(self, nodes: Sequence[int]) -> Generator[float, None, dict[int, FeatureOf]]:
        from neuronwidgets.effects.sae.measure import measuring, reached, telling

        if self._top is None:
            self._top = self._read()
        yield 0.1
        top, tree = self._top, self._split.tree
        n, nan = tree.n, float("nan")
        found = {
            node: FeatureOf(
                -1, np.full(3, nan), np.zeros(0, np.int64), np.full(2, nan), -1, np.full(2, nan),
                np.zeros((2, n), bool),
            )
            for node in nodes if tree.size[node] == n
        }  # fmt: skip
        rest = [node for node in nodes if node not in found]
        if not rest:
            return found
        groups = np.zeros((n, len(rest)), bool)
        for k, node in enumerate(rest):
            groups[tree.samples_of(node), k] = True
        measured = yield from mapped(
            measuring(top.values, top.strengths, groups, DRAWS, SEED),
            lambda share: 0.1 + 0.6 * share,
        )
        random, high = measured.random, reached(measured.random)
        active = top.strengths > 0
        for k, node in enumerate(rest):
            yield 0.7 + 0.3 * k / len(rest)
            branch, branch_aurocs = -1, (nan, nan)
            if node >= n:
                samples = tree.samples_of(node)
                first = np.isin(samples, tree.samples_of(int(tree.children[node - n][0])))
                branch, *both = telling(top.values[samples], top.strengths[samples], first, SEED)
                branch_aurocs = both[0], both[1]
            cover = measured.cover[k]
            found[node] = FeatureOf(
                int(top.features[measured.column[k]]),
                np.array([measured.held_out[k], random[:, k].mean(), high[k]]),
                top.features[cover],
                np.array([measured.covered[k], measured.random_covered[k]]),
                int(top.features[branch]) if branch >= 0 else -1,
                np.array(branch_aurocs),
                np.stack([
                    active[:, measured.column[k]], active[:, cover].any(axis=1),
                    *measured.random_active[:, k],
                ]),
            )  # fmt: skip
        return found

    def _read(self) -> _OnTop:
        split, given = self._split, self._given
        assert given is not None
        every = given.on(split)
        features = np.flatnonzero((every > 0).sum(axis=0) >= 2)
        if not len(features):
            raise ValueError(
                f"none of the {given.total:,} features is active on two of the {len(every):,} top "
                f"samples: is the autoencoder of layer {split.layer!r}?"
            )
        if len(every) * len(features) > MOST:
            raise ValueError(
                f"{len(features):,} features are active on the {len(every):,} top samples, too "
                f"many to compare: split fewer than {MOST // len(features):,} top samples."
            )
        if given.sae is not None:
            from neuronwidgets.effects.sae.match import doubt_of

            self._explained = given.sae.explained(split.acts, split.index)
            self._note = doubt_of(split.acts, self._explained)
        return _OnTop(features, every[:, features], split.acts.rows(split.index))

    def pack(self) -> bytes:
        """The `sae` message; empty without features, and before any are known."""
        if self._given is None or not (self.of or self._failed):
            return b""
        about = {
            "features": self._given.total,
            "active": None if self._top is None else len(self._top.features),
            "explained": self._explained if np.isfinite(self._explained) else None,
            "note": self._note, "failed": self._failed,
        }  # fmt: skip
        known = list(self.of.values())
        cover = np.full((len(known), LISTED), -1, np.int32)
        rows = max((len(one.active) for one in known), default=0)
        active = np.zeros((len(known), rows, self._split.tree.n), bool)
        for k, one in enumerate(known):
            cover[k, : min(LISTED, len(one.cover))] = one.cover[:LISTED]
            active[k, : len(one.active)] = one.active
        numbers = np.array([
            (one.feature, len(one.cover), one.branch) for one in known
        ], np.int32).reshape(-1, 3)  # fmt: skip
        values = np.array([
            (*one.auroc, *one.covered, *one.branch_auroc) for one in known
        ], np.float32).reshape(-1, 7)  # fmt: skip
        return pack({
            "node": np.array(list(self.of), np.int32), "feature": numbers[:, 0],
            "auroc": values[:, :3], "cover": cover, "cover_size": numbers[:, 1],
            "covered": values[:, 3:5], "branch": numbers[:, 2], "branch_auroc": values[:, 5:],
            "active": np.packbits(active, axis=2, bitorder="little"),
        }, about)  # fmt: skip
