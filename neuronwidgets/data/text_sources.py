"""Texts and token ids of all kinds -> a `BatchSource`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.accepted_inputs import Arguments, accepts, refuses, unwrapped
from neuronwidgets.data.batch import Batch, BatchSource, Raw
from neuronwidgets.data.position_limit import position_table, token_limit
from neuronwidgets.data.ready import ready
from neuronwidgets.data.records import RecordFormat, record_format
from neuronwidgets.data.stream import Stream
from neuronwidgets.data.texts import text_maker
from neuronwidgets.data.token_ids import IdMaker
from neuronwidgets.data.vocabulary import Vocabulary
from neuronwidgets.data.windows import Splitter


class TextSources:
    """Makes batches of texts and token ids. The arguments are those of `batches`.

    `sort_window=None` keeps the data's order.
    """

    def __init__(
        self, model: nn.Module | None, processor: Any, batch_size: int, max_length: int | None,
        sort_window: int | None, windows: int | None, labels: Any, per_word: bool,
    ) -> None:  # fmt: skip
        self.processor, self.batch_size, self.per_word = processor, batch_size, per_word
        self._sort_window, self._windows, self._labels = sort_window, windows, labels
        table = None if model is None else position_table(model)
        self._limit = token_limit(model, table, processor, max_length)
        config = None if model is None else getattr(unwrapped(model), "config", None)
        self._vocabulary = Vocabulary.of(processor, config, model)
        self.takes, self._refuses = accepts(model), refuses(model)
        self.arguments = Arguments.of(model)
        most, split = table if max_length is None else max_length, windows is not None
        self.ids = IdMaker(
            processor, self._vocabulary, self.takes, self._refuses, table, most, split
        )

    @property
    def labelled(self) -> bool:
        """Whether the user gave a list of labels for each sample."""
        return self._labels is not None

    @property
    def pad(self) -> int:
        """The token id of padding, 0 if unknown."""
        return self._vocabulary.pad or 0

    def ready(self, batch: Any, padding: torch.Tensor | None = None) -> Batch:
        """A ready batch, see `ready.ready`."""
        return ready(batch, self.ids, self.per_word, self.arguments, padding)

    def known(self, first: Any, features: Mapping[str, Any] | None = None) -> RecordFormat | None:
        """How to split samples of texts or token ids; `None` for other samples."""
        return record_format(first, features or {}, self.takes, self.per_word)

    def source(
        self,
        record_format: RecordFormat,
        samples: Iterable[Any],
        total: int | None,
        size: int | None = None,
    ) -> BatchSource:
        """Batches of texts or token ids.

        Args:
            record_format: how to split the samples.
            samples: the samples.
            total: their number; `None` if unknown.
            size: samples per batch; `None` takes `batch_size`.
        """
        tokenizer = getattr(self.processor, "tokenizer", self.processor)
        if record_format.kind == "ids":
            make: Callable[[Raw], Batch] = self.ids.of_rows
        else:
            add_special = record_format.kind != "chat"
            make = text_maker(
                self.processor,
                self._vocabulary,
                self.takes,
                self._refuses,
                self._limit,
                add_special,
            )
        split = None
        if record_format.kind != "ids" and self._windows is not None:
            split, total = Splitter(self.processor, self._limit, self._windows), None
        stream = Stream(record_format, tokenizer, self._labels, self.per_word, split)
        raw = stream.batches(samples, size or self.batch_size, self._sort_window)
        names = record_format.label_names
        return BatchSource(raw, make, total, names, rows_are_samples=True, tally=stream.tally)
