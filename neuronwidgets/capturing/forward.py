"""Forward passes that fit in memory, and the errors of those that fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import LayerRows
from neuronwidgets.capturing.word_codes import Coded, of_tokens
from neuronwidgets.core.warning import warn
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.content import content_of
from neuronwidgets.models.pooling import Pool, without_positions


class CaptureError(RuntimeError, ValueError):
    """A batch of the data could not be read.

    Attributes:
        samples: int64, the samples of that batch; empty if the data itself raised.
        so_far: the result of `capture` on all samples before; `None` if there are none.
    """

    def __init__(self, message: str, samples: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.samples = np.zeros(0, np.int64) if samples is None else samples
        self.so_far: Any = None


class ForwardPasses:
    """Reads batches, and halves those that are too large for the device's memory."""

    def __init__(self, reader: LayerReader, pooling: str, layers: int, first: FirstTokens) -> None:
        self._reader, self._pooling, self._several = reader, pooling, layers > 1
        self._first = first
        self._max_size: int | None = None
        self._warned_of_positions = False

    def __call__(self, batch: Batch, dataset_index: np.ndarray, code: Coded) -> list[LayerRows]:
        """Read the rows of every layer, in order.

        Args:
            batch: `B` samples.
            dataset_index: int64 `B`, the samples' indices into the data set.
            code: the codes of their labels.

        Raises:
            RuntimeError: a single sample does not fit in memory.
        """
        read: list[LayerRows] = []
        pending = self._reader.right_padding.parts(batch, self._max_size or batch.size)
        while pending:
            rows = pending.pop(0)
            part = batch if len(rows) == batch.size else batch.part(rows)
            part = self._reader.right_padding.trimmed(part)
            layer_rows: list[LayerRows] | None = None
            try:
                part_rows = slice(rows.start, rows.stop)
                part_code = None if code is None else code[part_rows]
                layer_rows = self._rows(part, dataset_index[part_rows], part_code)
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise RuntimeError(
                        f"a single sample does not fit into the memory of the model's device: "
                        f"{_first_line(error)}. Try shorter samples (max_length=...)."
                    ) from error
            if layer_rows is None:
                # Outside `except`, where the failed pass no longer holds its memory.
                _free()
                half = len(rows) // 2
                self._max_size = half
                pending[:0] = [rows[:half], rows[half:]]
                warn(
                    f"out of memory with {len(rows)} samples at once: going on with {half}. "
                    f"batch_size={half} avoids the failed pass.",
                )
                continue
            read += layer_rows
        return read

    def _rows(self, batch: Batch, dataset_index: np.ndarray, code: Coded) -> list[LayerRows]:
        layer_rows: list[LayerRows] = []
        of_samples = dataset_index, None, code if isinstance(code, np.ndarray) else None
        unclear: list[str] = []
        # By what they depend on: most layers have the same positions.
        pools: dict[Any, tuple[Pool, _Origin]] = {}

        def take(name: str, values: torch.Tensor) -> None:
            first = self._first.count(batch, name, values)
            if values.ndim == 2:
                rows = without_positions(values, self._pooling, name)
                layer_rows.append(LayerRows(name, self._kept(rows, values), *of_samples))
                return
            key = first, values.shape[:2]
            if key not in pools:
                if batch.mask is not None and _unclear(values.shape[1], batch.mask):
                    unclear.append(
                        f"layer {name!r} has {values.shape[1]:,} positions for "
                        f"{batch.mask.shape[1]:,} tokens"
                    )
                content = content_of(self._reader.model, batch, values, first)
                pool = Pool(self._pooling, batch.mask, content, values)
                token = self._pooling == "token"
                of_rows = _of_tokens(pool, batch, dataset_index, code) if token else of_samples
                pools[key] = pool, of_rows
            pool, of_rows = pools[key]
            rows = self._kept(pool.rows(values, name), values)
            layer_rows.append(LayerRows(name, rows, *of_rows))

        self._reader.own(batch, take)
        self._first.warn()
        if unclear and not self._warned_of_positions:
            self._warned_of_positions = True
            warn(
                f"{unclear[0]}: which of them are padding is unknown, so all are read. Choose a "
                "layer with one position for each token, or pad the texts as the model does.",
            )
        return layer_rows

    def _kept(self, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Rows of a layer that later layers, which may change it in place, do not change."""
        shared = rows.untyped_storage().data_ptr() == values.untyped_storage().data_ptr()
        return rows.clone() if self._several and shared else rows


def _unclear(positions: int, mask: torch.Tensor) -> bool:
    """Whether it is unknown which positions are padding. Of fewer positions than tokens, as of a
    layer that samples down, none are where no token is."""
    tokens = mask.shape[1]
    return positions > tokens or (positions < tokens and not bool(mask.all()))


_Origin = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""Samples, positions and label codes of rows, as in `LayerRows`."""


def _of_tokens(pool: Pool, batch: Batch, dataset_index: np.ndarray, code: Coded) -> _Origin:
    row, position = pool.where.cpu().numpy().T
    codes = of_tokens(code, batch, row, position)
    return dataset_index[row], position.astype(np.int32), codes


def failed(error: Exception, dataset_index: np.ndarray | None, before: int) -> CaptureError:
    """The `CaptureError` of an error in the middle of the data.

    Args:
        error: the error.
        dataset_index: int64 `B`, the samples that were being read; `None` if the data raised.
        before: the number of samples read before.
    """
    reason = str(error) or type(error).__name__
    kept = f"(The {before:,} samples before are this error's so_far.)"
    if dataset_index is None:
        return CaptureError(f"the data broke off after {before:,} samples: {reason} {kept}")
    low, high = int(dataset_index.min()), int(dataset_index.max())
    samples = f"sample {low:,}" if low == high else f"a batch with samples {low:,} to {high:,}"
    return CaptureError(f"{samples} could not be read: {reason} {kept}", dataset_index)


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    causes = (error, error.__cause__)
    return any(isinstance(e, RuntimeError) and "allocate memory" in str(e) for e in causes)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


def _free() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
