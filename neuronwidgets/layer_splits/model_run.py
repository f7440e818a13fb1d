"""The three steps of `split_model`: find the top samples, gather their rows, split the layers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from torch import nn

from neuronwidgets.activations.store.store import read_manifest
from neuronwidgets.activations.store.writer import WITHOUT_FIRST
from neuronwidgets.capturing.capture import capture
from neuronwidgets.capturing.collecting import LabelCodes
from neuronwidgets.capturing.collectors.moments import Moments
from neuronwidgets.capturing.to_disk import ShardLimits
from neuronwidgets.capturing.word_codes import labels_of_samples, nested
from neuronwidgets.core.labels import plain_names
from neuronwidgets.core.modes import own_modes
from neuronwidgets.core.progress import progress_line
from neuronwidgets.data.batch import Batch, BatchSource, Raw
from neuronwidgets.data.batches import batches
from neuronwidgets.layer_splits.candidates import Candidates, NeuronTops
from neuronwidgets.layer_splits.gather import (
    GatheredStore,
    Gatherer,
    GatherSettings,
    GatherTask,
    gather_tasks,
)
from neuronwidgets.layer_splits.model_splits import ModelFolder
from neuronwidgets.layer_splits.settings import Settings
from neuronwidgets.layer_splits.statistics import Mean, score_columns

STOPPED = "stopped; the same call with out= goes on from here"


@dataclass(frozen=True)
class ModelRun:
    """One call of `split_model`. Each step takes up what an earlier call has written.

    Attributes:
        layers: the layers' names.
        top: top samples of each neuron.
        options: further arguments of `capture`.
        from_sums: the scores that come from sums over all data.
        dtype: the dtype of gathered rows.
        workers: Ray's actors; `None` works in this process.
        limits: when shards of gathered rows end.
    """

    model: nn.Module
    data: Any
    layers: list[str]
    top: int
    folder: ModelFolder
    options: dict[str, Any]
    from_sums: tuple[str, ...]
    dtype: str
    progress: bool
    limits: ShardLimits

    def find_tops(self, engine: str, workers: int | None) -> dict[str, NeuronTops]:
        """The first pass: the top samples of each layer, also written to the folder.

        Raises:
            ValueError: fewer samples than `top`.
            KeyboardInterrupt: the user stopped it.
        """
        sums = [Moments(), Mean(absolute=True)] if self.from_sums else []
        collected = capture(
            self.model, self.data, self.layers, out=self.folder.first_pass,
            collect=[Candidates(self.top), Mean(), *sums], engine=engine,
            workers=workers, progress=self.progress, **self.options,
        )  # fmt: skip
        manifest = read_manifest(self.folder.first_pass)
        if manifest is None or not manifest["complete"]:
            raise KeyboardInterrupt(STOPPED)
        tops: dict[str, NeuronTops] = {}
        for number, (layer, (layer_tops, mean, *totals)) in enumerate(collected.items()):
            if layer_tops.seen < self.top:
                raise ValueError(
                    f"top must be at most {layer_tops.seen:,}, got {self.top:,}: layer {layer!r} "
                    f"was read on {layer_tops.seen:,} samples."
                )
            with own_modes():
                columns = score_columns(*totals) if totals else {}
            self.folder.write_tops(
                number, layer_tops, mean, {name: columns[name] for name in self.from_sums}
            )
            tops[layer] = layer_tops
        source, _ = self.source()
        with _again():
            inputs = source.make(next(source.raw)).inputs
        masked = isinstance(inputs, dict) and "attention_mask" in inputs
        self.folder.describe(self.layers, collected[self.layers[0]].samples, masked)
        return tops

    def gather_settings(
        self, tops: dict[str, NeuronTops], make: Callable[[Raw], Batch]
    ) -> GatherSettings:
        """What the second pass reads."""
        manifest = read_manifest(self.folder.first_pass) or {}
        options = self.options
        return GatherSettings(
            {layer: layer_tops.rows for layer, layer_tops in tops.items()},
            options["pooling"],
            (options["neuron_axis"], options["batch_axis"]),
            # Not `None`: the first pass has warned of further calls.
            options["call"] or 0,
            options["at"],
            manifest["about"].get(WITHOUT_FIRST, []),
            make,
            self.folder.rows,
            self.dtype,
        )

    def source(self) -> tuple[BatchSource, LabelCodes]:
        """The data from its beginning, and the codes of its labels, as `capture` makes them."""
        options = self.options
        labels = options["labels"]
        per_word = options["pooling"] == "token" and nested(labels)
        source = batches(
            self.data,
            model=self.model,
            processor=options["tokenizer"],
            transform=options["transform"],
            batch_size=options["batch_size"],
            max_length=options["max_length"],
            by_length=True,
            windows=options["overlap"] if options["long"] == "windows" else None,
            labels=list(labels) if per_word else None,
            per_word=options["pooling"] == "token",
        )
        source.keep_order("data is read twice")
        names = plain_names(options["label_names"])
        if per_word:
            return source, LabelCodes(None, names)
        given = labels_of_samples(labels)
        if given is None and names is None:
            names = None if source.label_names is None else list(source.label_names)
        return source, LabelCodes(given, names)

    def gather(
        self,
        settings: GatherSettings,
        source: BatchSource,
        codes: LabelCodes,
        read: Callable[[GatheredStore, Iterator[GatherTask]], Iterator[list[dict[str, Any]]]],
    ) -> None:
        """The second pass.

        Args:
            settings: what to read.
            source: the data.
            codes: encodes its labels.
            read: reads tasks; yields the shards' entries in order.
        """
        store = GatheredStore(settings, codes)
        samples = settings.samples
        with (
            closing(store),
            progress_line("reading top samples", len(samples), "samples", self.progress) as line,
        ):
            if store.complete:
                line.update(len(samples))
                return
            tasks = gather_tasks(source, samples, codes, self.options["batch_size"])
            with _again():
                for entries in read(store, islice(tasks, store.batches, None)):
                    line.update(store.commit(entries) - line.n)
            store.finish()

    def read_here(
        self, gatherer: Gatherer
    ) -> Callable[[GatheredStore, Iterator[GatherTask]], Iterator[list[dict[str, Any]]]]:
        """`read` of `gather`, in this process."""

        def read(
            store: GatheredStore, tasks: Iterator[GatherTask]
        ) -> Iterator[list[dict[str, Any]]]:
            for entry in gatherer.shards(store.batches, tasks, store.layer_folders, self.limits):
                yield [entry]

        return read

    def jobs(self, settings: Settings, device: Any, memory: float) -> Iterator[tuple[Any, ...]]:
        """The arguments of `ModelFolder.split_layer` for each layer."""
        names = settings.scores
        if self.folder.acts(0, self.layers[0]).labels is None:
            names = tuple(name for name in names if name != "label_entropy")
        for number, layer in enumerate(self.layers):
            yield number, layer, replace(settings, scores=names), device, memory


@contextmanager
def _again() -> Iterator[None]:
    """Reads data again: of empty samples and of targets the first pass has warned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* (is|are) empty and w|the data's targets are")
        yield
