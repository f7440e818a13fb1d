"""The splits of several layers of a model, in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.activations.store.shards import StoreError, absolute_folder, read_shard
from neuronwidgets.activations.store.store import Store
from neuronwidgets.capturing.tokens import TokenReader
from neuronwidgets.core.tensorfile import read_json, write_json, write_tensors
from neuronwidgets.layer_splits.given_tops import GivenTops
from neuronwidgets.layer_splits.io import Folder
from neuronwidgets.layer_splits.layer_split import LayerSplit
from neuronwidgets.layer_splits.split_layer import partial_results

if TYPE_CHECKING:
    from neuronwidgets.capturing.reader import LayerReader
    from neuronwidgets.layer_splits.candidates import NeuronTops
    from neuronwidgets.layer_splits.settings import Settings

FORMAT = "neuronwidgets.model/1"
ABOUT = "model.json"
PASS, TOPS, ROWS, SPLITS = "pass", "tops", "rows", "splits"
"""Folders: the collectors' states, what they found of each layer, the gathered rows, and the split
layers."""


class ModelFolder:
    """The files of a split model."""

    def __init__(self, path: str | Path) -> None:
        self.path = absolute_folder(path)
        self.first_pass, self.rows = self.path / PASS, self.path / ROWS

    def describe(self, layers: list[str], samples: int, masked: bool) -> None:
        """Write the description of a model whose data is read.

        Args:
            layers: the layers' names.
            samples: the number of samples of the data.
            masked: whether the model takes an attention mask.
        """
        about = {"format": FORMAT, "layers": layers, "samples": samples, "masked": masked}
        write_json(self.path / ABOUT, about)

    def about(self) -> dict[str, Any]:
        """The description.

        Raises:
            StoreError: the folder has none.
        """
        try:
            return read_json(self.path / ABOUT, "split_model", FORMAT)
        except FileNotFoundError:
            raise StoreError(
                f"{self.path} holds no {ABOUT}: give the folder that split_model(..., out=...) "
                "wrote, after its first pass."
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(str(error)) from None

    def split(self, number: int) -> Path:
        """The folder of a split layer."""
        return self.path / SPLITS / f"{number:04d}"

    def write_tops(
        self, number: int, tops: NeuronTops, mean: np.ndarray, scores: Mapping[str, np.ndarray]
    ) -> None:
        """Write what the first pass found of layer `number`.

        Args:
            tops: its top samples.
            mean: float64 `D`, of all data.
            scores: columns from all data, float64 `D` each.
        """
        arrays = {
            "index": tops.index(),
            "activations": tops.activations,
            "minimum": tops.minimum,
            "shared": tops.shared.astype(np.uint8),
            "mean": mean,
        }
        columns = {f"score.{name}": column for name, column in scores.items()}
        write_tensors(self.path / TOPS / f"{number:04d}.safetensors", arrays | columns)

    def tops(self, number: int) -> dict[str, np.ndarray]:
        """The arrays that `write_tops` wrote."""
        return read_shard(self.path / TOPS / f"{number:04d}.safetensors")

    def acts(self, number: int, layer: str) -> Activations:
        """The gathered rows of a layer. Their `mean` is that of all data."""
        return with_mean(Activations.load(self.rows, layer), self.tops(number)["mean"])

    def split_layer(
        self, number: int, layer: str, settings: Settings, device: Any, memory: float
    ) -> Iterator[LayerSplit]:
        """Split a layer whose rows are gathered, and yield it after each block. Blocks in the
        folder are not computed again."""
        acts, tops = self.acts(number, layer), self.tops(number)
        targets = np.arange(acts.shape[1])
        folder = Folder(self.split(number))
        folder.open(acts, targets, settings)
        given = GivenTops(
            tops["index"], tops["activations"], tops["minimum"], tops["shared"].astype(bool)
        )
        yield from partial_results(acts, targets, settings, folder, device, given, memory)


def with_mean(acts: Activations, mean: np.ndarray) -> Activations:
    """`acts` with the mean of all samples, of which it has only some: float64 `D`."""
    vars(acts)["mean"] = np.array(mean)  # where `cached_property` keeps it
    return acts


@dataclass(frozen=True, repr=False, eq=False)
class ModelSplits(Mapping[str, LayerSplit]):
    """The split layers of a model, by name. Each is read when it is asked for.

    A layer's activations (`splits[layer].acts`) are the rows that its splits need: the top samples
    of all its neurons. They are a sample of the data in which strong activations are frequent, so
    histograms and shares of them are not those of the data. `acts.mean` and the scores are.

    Attributes:
        folder: the folder, which `load` opens.
        reader: reads the model's layers again, for the tokens of texts; `None` without the model.
    """

    folder: ModelFolder
    reader: LayerReader | None = None

    @classmethod
    def load(cls, path: str | Path) -> ModelSplits:
        """Open what `split_model(..., out=...)` wrote, also while it is written.

        Raises:
            StoreError: the folder holds no split model.
        """
        folder = ModelFolder(path)
        folder.about()
        return cls(folder)

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """The layers' names."""
        return tuple(self.folder.about()["layers"])

    @property
    def samples(self) -> int:
        """The number of samples of the data."""
        return int(self.folder.about()["samples"])

    @cached_property
    def _loaded(self) -> dict[str, LayerSplit]:
        return {}

    def __getitem__(self, layer: str) -> LayerSplit:
        if layer not in self.layers:
            known = ", ".join(map(repr, self.layers))
            raise KeyError(f"layer {layer!r} is not in this split of a model, which has {known}.")
        split = self._loaded.get(layer)
        if split is None or not split.done:
            split = self._loaded[layer] = self._load(layer)
        return split

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def _load(self, layer: str) -> LayerSplit:
        number = self.layers.index(layer)
        acts = self.folder.acts(number, layer)
        if self.reader is not None:
            acts = with_mean(replace(acts, tokens=self._tokens(layer, acts)), acts.mean)
        split = LayerSplit.load(self.folder.split(number), acts)
        columns = {
            name.removeprefix("score."): column
            for name, column in self.folder.tops(number).items()
            if name.startswith("score.")
        }
        blocks = [
            replace(block, scores={**block.scores, **_of(columns, block.neurons)})
            for block in split.blocks
        ]
        return replace(split, blocks=tuple(blocks))

    def _tokens(self, layer: str, acts: Activations) -> TokenReader | None:
        previews = Store(self.folder.rows).previews
        if self.reader is None or not len(previews.ids):
            return None
        masked = bool(self.folder.about()["masked"])
        reader = self.reader.one(layer)
        return TokenReader(reader, previews.ids, previews.padding, acts.samples, masked)

    def to_frame(self) -> Any:
        """A `pandas.DataFrame` of all layers' neurons: `LayerSplit.to_frame` with a column `layer`
        before it, layer after layer."""
        import pandas as pd

        frames = []
        for layer in self:
            frame = self[layer].to_frame()
            frame.insert(0, "layer", layer)
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def __repr__(self) -> str:
        return (
            f"ModelSplits({len(self)} layers: {', '.join(map(repr, self.layers[:3]))}"
            f"{', ...' if len(self) > 3 else ''}; {self.samples:,} samples; in {str(self.path)!r})"
        )


def _of(columns: Mapping[str, np.ndarray], neurons: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(column)[neurons] for name, column in columns.items()}
