"""Texts and token ids of all kinds -> a source of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import nn

from neuronwidgets.data.accepted_inputs import accepts
from neuronwidgets.data.batch import Batch, Raw, Source
from neuronwidgets.data.position_limit import position_table, token_limit
from neuronwidgets.data.ready import ready
from neuronwidgets.data.records import Records, records
from neuronwidgets.data.stream import Stream
from neuronwidgets.data.texts import text_maker
from neuronwidgets.data.token_ids import IdMaker
from neuronwidgets.data.vocabulary import Vocabulary
from neuronwidgets.data.windows import Splitter


class TextSources:
    """What becomes of texts and token ids, whatever they come in (the settings: see `batches`)."""

    def __init__(
        self, model: nn.Module | None, processor: Any, batch_size: int, max_length: int | None,
        by_length: bool, windows: int | None, labels: Any, per_word: bool,
    ) -> None:  # fmt: skip
        self.processor, self.batch_size, self.per_word = processor, batch_size, per_word
        self._by_length, self._windows, self._labels = by_length, windows, labels
        self._limit = token_limit(model, processor, max_length)
        table = None if model is None else position_table(model)
        self._vocabulary = Vocabulary.of(processor, getattr(model, "config", None))
        self.takes = accepts(model)
        most, split = table if max_length is None else max_length, windows is not None
        self.ids = IdMaker(processor, self._vocabulary, self.takes, table, most, split)

    @property
    def labelled(self) -> bool:
        """Whether each sample has a list of labels."""
        return self._labels is not None

    def ready(self, batch: Any) -> Batch:
        return ready(batch, self.ids, self.per_word)

    def known(self, first: Any, features: Mapping[str, Any] | None = None) -> Records | None:
        """How samples of texts or token ids are taken apart; `None` of others."""
        return records(first, features or {}, self.takes, self.per_word)

    def source(
        self, found: Records, samples: Iterable[Any], total: int | None, size: int | None = None
    ) -> Source:
        """Batches of texts or token ids, of `size` samples if the data says how many."""
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        if found.kind == "ids":
            make: Callable[[Raw], Batch] = self.ids.of_rows
        else:
            added = found.kind != "chat"
            make = text_maker(self.processor, self._vocabulary, self.takes, self._limit, added)
        split = None
        if found.kind != "ids" and self._windows is not None:
            split, total = Splitter(self.processor, self._limit, self._windows), None
        stream = Stream(found, tokenizer, self._labels, self.per_word, split)
        raw = stream.batches(samples, size or self.batch_size, self._by_length)
        return Source(raw, make, total, found.label_names, told=True, tally=stream.tally)
