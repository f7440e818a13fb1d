"""What NeuronBrowser shows, what its user chose, and what is due. It knows no traits."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.defaults import default_top
from neuronwidgets.concepts.scores import SCORES
from neuronwidgets.core.steps import mapped
from neuronwidgets.layer_splits.block import Block
from neuronwidgets.layer_splits.layer_split import RANK, LayerSplit
from neuronwidgets.layer_splits.settings import Settings
from neuronwidgets.layer_splits.split_layer import split_layer
from neuronwidgets.overviews.forest import Forest
from neuronwidgets.overviews.overview import extremes, histograms
from neuronwidgets.overviews.placement import Placement, placement
from neuronwidgets.overviews.search import Match, Query
from neuronwidgets.widgets.base.feed import Feed
from neuronwidgets.widgets.base.jobs import (
    JobProgress,
    Prepared,
    Publish,
    Steps,
    later,
    silently,
)
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.neuron_browser.batches import BATCHES, Batches
from neuronwidgets.widgets.neuron_browser.choices import query_trait
from neuronwidgets.widgets.neuron_browser.late_scores import scoring
from neuronwidgets.widgets.neuron_browser.messages import (
    pack_map,
    pack_match,
    pack_table,
    pack_trees,
)
from neuronwidgets.widgets.neuron_browser.nulls import Nulls
from neuronwidgets.widgets.neuron_browser.peaks import Peaks
from neuronwidgets.widgets.neuron_browser.promoted import Promoted
from neuronwidgets.widgets.neuron_browser.rows import TOP, Rows, dead_layer
from neuronwidgets.widgets.neuron_browser.searching import Searcher

READ, COUNT, PLACE, SEARCH = "reading the layer", "counting", "placing the map", "searching"
PLAIN_SORTING = {"column": "neuron", "descending": False}


class BrowserSession:
    """The state of one NeuronBrowser, without a kernel.

    Attributes:
        acts: the activations on the screen.
        rows, forest, place: what is known of each neuron, of its splits, and where it lies on the
            map (`None`: not placed yet).
        promoted: what the neurons promote.
        query, match: the search whose result is on the screen.
        given: the split that the user passed; `None`: the browser splits the layer itself.
        splitting: the arguments of `split_layer` by which it does.
        sorting: the order of the table before a search.
        selection, wanted: the selected samples; the selected and pinned neurons.
        stopped: whether the user has stopped splitting.
        idle: whether nothing is left to do of what a view has asked for.
        version: counts the activations on the screen.
    """

    def __init__(
        self,
        feed: Feed,
        acts: Activations,
        screen: Screen,
        *,
        given: LayerSplit | None = None,
        splitting: Mapping[str, Any] | None = None,
        late: Sequence[str] = (),
        model: Any = None,
        tokenizer: Any = None,
        batches: Batches = BATCHES,
        **running: Any,
    ) -> None:
        """`running`: how the model is run, see `LayerLens`."""
        self.feed, self.acts, self.given = feed, acts, given
        self.model, self.tokenizer = model, tokenizer
        self.neurons = np.arange(acts.shape[1]) if given is None else np.sort(given.targets)
        self._late = tuple(late) if given is None else ()
        self._late_columns = [
            name for score in self._late for name in SCORES[score].columns if name != "concepts"
        ]
        self.rows = Rows.blank(self.neurons)
        self.forest = Forest(acts, self.neurons, self._late_columns)
        self.peaks, self._nulls = Peaks(acts), Nulls(acts)
        self.promoted = Promoted(self.neurons, model, tokenizer=tokenizer, **running)
        self._searcher = Searcher(acts, model, tokenizer, self.promoted)
        self.place: Placement | None = None
        self.query: Query | None = None
        self.match: Match | None = None
        self.sorting: dict[str, Any] = dict(PLAIN_SORTING)
        self.selection: list[int] = []
        self.wanted: list[int] = []
        self.stopped, self.version = False, 1
        self.idle = True
        self._screen, self.splitting, self._batches = screen, dict(splitting or {}), batches
        self._sent, self._stale = 0, False

    # The work

    def begin(self) -> dict[str, Any]:
        """The traits that show a table of which nothing is known yet."""
        return {"_version": self.version, "_table": self._table(self.rows)}

    def due(self) -> bool:
        """Whether something is missing on the screen."""
        known = self.rows.known and self.rows.histogram is not None
        if not known or self._stale:
            return True
        if self.feed.running:
            return False
        missing = self.place is None or self._splits() or self._scores() or self._unread()
        return missing or self._promotes()

    def first(self) -> int | None:
        """The neuron of the table's first row that is not constant; `None` where none is known."""
        given, column = self.given, self.sorting["column"]
        by_rank = None if given is None or column != RANK else given.neurons[given.ranked]
        return self.rows.first(self.neurons if by_rank is None else by_rank)

    def work(self) -> Steps:
        """Gather and publish what is missing, the table's rows first."""

        def begin() -> None:
            self.idle = False

        def settle() -> None:
            self.idle = not self._unread()

        yield begin
        yield from self._gathered()
        while not self.idle:
            yield from self._read_peaks()
            yield settle

    def _gathered(self) -> Steps:
        acts = self.acts
        if not self.rows.known:
            found = yield from _told(extremes(acts.values, TOP), READ)
            yield self._show_rows(self.rows.with_extremes(found))
            yield later
        if self.rows.histogram is None:
            counted = histograms(acts.values, *self.rows.limits(acts.shape[1]))
            counts = yield from _told(counted, COUNT)
            yield self._show_rows(self.rows.with_histograms(counts))
        if self.query is not None and self._stale:
            yield from self._search_again(self.query)
        if self.feed.running:
            return
        if self.place is None:
            yield from self._place()
        yield from self._promote(in_view=True)
        if self._splits():
            yield from self._split()
        if self._promotes():
            yield from self._promote()
        if self._scores():
            yield from self._score()

    def _show_rows(self, rows: Rows) -> Publish:
        packed = self._table(rows)
        acts = self.acts

        def show() -> None:
            self.rows = rows
            self._screen.put({"_table": packed})
            if rows.dead.all():
                self._screen.fail(ValueError(dead_layer(acts)))

        return show

    def _table(self, rows: Rows) -> bytes:
        return pack_table(self.acts, rows, self.forest, self._nulls)

    def _place(self) -> Steps:
        acts, given = self.acts, self.given
        yield JobProgress(0.0, PLACE)
        if given is not None and given.done:
            top = np.asarray(given.index)[np.argsort(given.neurons)]
        else:
            count = self.splitting.get("top") or default_top(len(acts))
            top = (yield from _told(extremes(acts.values, count), PLACE)).top[self.neurons]
        top = np.where(self.rows.dead[:, None], -1, top)
        place = yield from _told(placement(top, len(acts)), PLACE)
        packed = pack_map(place)

        def show() -> None:
            self.place = place
            self._screen.put({"_map": packed})

        yield show

    # Splitting

    def _splits(self) -> bool:
        """Whether neurons are still to be split, or read from the split that was given."""
        if self.stopped or len(self.acts) < 2 or (self.rows.known and self.rows.dead.all()):
            return False
        wanted = len(self.neurons) if self.given is None else len(self.given)
        return len(self.forest) < wanted

    def _split(self) -> Steps:
        wanted = len(self.neurons) if self.given is None else len(self.given)
        for blocks, settings in self._blocks():
            self.forest.add(blocks, settings)
            done = len(self.forest)
            enough = done >= self._batches.growth * self._sent or done == wanted
            if enough:
                yield self._show_trees()
            yield from self._read_peaks()
            yield JobProgress(done / wanted, f"splitting neurons: {done:,} of {wanted:,}")

    def _blocks(self) -> Iterator[tuple[Sequence[Block], Settings]]:
        """The blocks that are not in the forest yet."""
        forest, given = self.forest, self.given
        if given is not None:
            missing = [b for b in given.blocks if np.isin(b.neurons, forest.missing()).any()]
            for i in range(0, len(missing), self._batches.blocks):
                yield missing[i : i + self._batches.blocks], given.settings
            return
        while len(missing_neurons := forest.missing()):
            most = max(1, self._batches.values // self.acts.shape[1])
            chunk = missing_neurons[: min(self._batches.neurons, most)]
            for split in split_layer(
                self.acts, neurons=chunk, stream=True, progress=False, **self.splitting
            ):
                yield split.blocks[-1:], split.settings

    def _show_trees(self) -> Publish:
        sent = len(self.forest)
        traits = {
            "_table": self._table(self.rows),
            "_trees": pack_trees(self.acts, self.forest, self._batches.most_bytes),
        }

        def show() -> None:
            self._sent = sent
            self._screen.put(traits)

        return show

    # What comes last: scores that take long, and the peaks of texts in view

    def _scores(self) -> bool:
        """Whether late scores are still to be computed."""
        return bool(self.forest.unscored.any()) and not self.stopped and not self._splits()

    def _score(self) -> Steps:
        """Compute the late scores: of the neurons in view, then of those selected, then of all."""
        count, shown = len(self.neurons), 0
        steps = scoring(
            self.acts, self.forest, {**self.splitting, "scores": self._late},
            self._batches.scored, lambda: [*self.peaks.seen, *self.wanted],
        )  # fmt: skip
        for neurons in steps:
            done = count - int(self.forest.unscored.sum())
            in_view = np.isin(neurons, self.peaks.seen).any()
            if in_view or done >= self._batches.growth * shown or done == count:
                shown = done
                yield self._show_rows(self.rows)
            yield from self._read_peaks()
            yield JobProgress(done / count, f"{self._late[0]}: {done:,} of {count:,} neurons")

    def _promotes(self) -> bool:
        """Whether what neurons promote is still to be computed."""
        return self.promoted.due() and not self.stopped

    def _promote(self, in_view: bool = False) -> Steps:
        """What neurons promote: of those in view, or of all."""

        def publish(packed: bytes) -> None:
            self._screen.put({"_promoted": packed})

        return self.promoted.steps(
            self.acts, lambda: self.peaks.seen, self._batches.growth, publish, in_view
        )

    def look(self, neurons: Sequence[int]) -> None:
        """A view shows these neurons: what they lack comes first."""
        self.peaks.seen = list(neurons)

    def _unread(self) -> bool:
        """Whether texts in view are to be read. A capture that runs uses the model."""
        return not self.feed.running and bool(self.peaks.missing(self.rows))

    def _read_peaks(self) -> Steps:
        if self._unread():
            yield from self.peaks.steps(self.rows, self._screen)

    # Search

    def search(self, query: Query) -> Steps:
        """Search what a view asked for, show the result, and go on with the work.

        If that fails, show the error. The last result stays.
        """
        yield JobProgress(0.0, SEARCH)
        try:
            match = yield from _told(self.matched(query), SEARCH)
        except Exception as error:
            failure = error
            yield lambda: self._screen.fail(failure)
        else:

            def show() -> None:
                self._screen.put(self.show_match(query, match))
                self._screen.clear()

            yield show
        yield from self.work()

    def matched(self, query: Query) -> Generator[float, None, Match]:
        """What a search finds, see `Searcher.matched`."""
        return self._searcher.matched(query, self.feed.running)

    def show_match(self, query: Query, match: Match) -> dict[str, Any]:
        """Take a result as the one on the screen. Returns the traits that show it."""
        self.query, self.match, self._stale = query, match, False
        return {
            "searched": query_trait(query),
            "_match": pack_match(match, self.neurons),
            "sorting": {"column": "match", "descending": True},
        }

    def clear_search(self) -> dict[str, Any]:
        """Drop the search. Returns the traits of a browser without one."""
        self.query = self.match = None
        self._stale = False
        return {"searched": {}, "_match": b"", "sorting": dict(self.sorting)}

    def _search_again(self, query: Query) -> Steps:
        """Search newer activations for the same."""
        if query.kind in ("text", "promoted") and self.feed.running:
            return
        match = yield from silently(_told(self.matched(query), SEARCH))

        def show() -> None:
            if self.query is query:
                traits = self.show_match(query, match)
                del traits["sorting"]
                self._screen.put(traits)

        yield show

    # A running capture

    def refreshed(self, acts: Activations) -> Prepared:
        """Read newer activations. Returns what shows them. What the user chose stays."""
        found = yield from silently(_told(extremes(acts.values, TOP), READ))
        counted = histograms(acts.values, found.least, found.largest)
        counts = yield from silently(_told(counted, COUNT))
        rows = Rows.blank(self.neurons).with_extremes(found).with_histograms(counts)

        def show() -> None:
            before = self.acts.samples
            self.selection = _carried(before, acts, self.selection)
            if self.query is not None:
                query = self.query
                these, those = (_carried(before, acts, s) for s in (query.these, query.those))
                self.query = Query(query.kind, query.text, tuple(these), tuple(those))
                self._stale = bool(these) or query.kind in ("name", "text", "promoted")
            self.acts, self.rows = acts, rows
            self.forest = Forest(acts, self.neurons, self._late_columns)
            self.peaks, self._nulls = Peaks(acts, self.peaks.seen), Nulls(acts)
            self._searcher = Searcher(acts, self.model, self.tokenizer, self.promoted)
            self.place = None
            self._sent = 0
            self.version += 1
            self._screen.put({
                "_version": self.version, "_table": self._table(rows),
                "selection": self.selection, "lit": self.selection,
                "_trees": b"", "_map": b"", "_previews": b"", "_peaks": b"",
            })  # fmt: skip

        return show


def _carried(before: Any, acts: Activations, rows: Sequence[int]) -> list[int]:
    """Rows of earlier activations as those of newer ones."""
    carried = acts.samples.rows_of(before.dataset_indices(rows))
    found: list[int] = carried[carried >= 0].tolist()
    return found


def _told(
    steps: Generator[float, None, Any], text: str
) -> Generator[JobProgress | Publish, None, Any]:
    """The same work, which reports its progress in these words."""
    return mapped(steps, lambda share: JobProgress(share, text))
