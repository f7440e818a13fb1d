"""Forward passes that fit into memory, and what is said of those that fail."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from neuronwidgets.capturing.first import FirstTokens
from neuronwidgets.capturing.reader import LayerReader
from neuronwidgets.capturing.rows import LayerRows
from neuronwidgets.capturing.word_codes import Coded, of_tokens
from neuronwidgets.data.batch import Batch
from neuronwidgets.models.content import content_of
from neuronwidgets.models.pooling import reduce


class CaptureError(RuntimeError, ValueError):
    """The data could not be read to its end.

    Attributes:
        samples: int64, which samples the batch held that could not be read; empty where the data
            itself broke off.
        so_far: what capture would have returned had the data ended before it; `None` if nothing.
    """

    def __init__(self, message: str, samples: np.ndarray | None = None) -> None:
        super().__init__(message)
        self.samples = np.zeros(0, np.int64) if samples is None else samples
        self.so_far: Any = None


class Passes:
    """Reads batches, in parts where they are too large for the device's memory."""

    def __init__(self, reader: LayerReader, unit: str, layers: int, first: FirstTokens) -> None:
        self._reader, self._unit, self._several = reader, unit, layers > 1
        self._first = first
        self._most: int | None = None

    def __call__(self, batch: Batch, place: np.ndarray, code: Coded) -> list[LayerRows]:
        """The rows of every layer, in order; `place` and `code` (int64 `B`, or of words) number
        the batch's samples and their labels."""
        read: list[LayerRows] = []
        most = self._most or batch.size
        waiting = [range(i, min(i + most, batch.size)) for i in range(0, batch.size, most)]
        while waiting:
            rows = waiting.pop(0)
            part = batch if len(rows) == batch.size else batch.part(rows)
            try:
                own = slice(rows.start, rows.stop)
                found = self._rows(part, place[own], None if code is None else code[own])
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise RuntimeError(
                        f"a single sample does not fit into the memory of the model's device: "
                        f"{_first_line(error)}. Shorter samples (max_length=...) may."
                    ) from error
                # Not inside `except`: there the failed pass would still hold its memory.
                found = None
            if found is None:
                _free()
                half = len(rows) // 2
                self._most = half
                waiting[:0] = [rows[:half], rows[half:]]
                warnings.warn(
                    f"out of memory with {len(rows)} samples at once: going on with {half}. "
                    f"batch_size={half} avoids the detour.",
                    stacklevel=4,
                )
                continue
            read += found
        return read

    def _rows(self, batch: Batch, place: np.ndarray, code: Coded) -> list[LayerRows]:
        found: list[LayerRows] = []

        def take(name: str, values: torch.Tensor) -> None:
            first = self._first.count(batch, name, values)
            content = content_of(self._reader.model, batch, values, first)
            rows, where = reduce(values, self._unit, batch.mask, content, name)
            # Layers above may change in place what this one gave.
            shared = rows.untyped_storage().data_ptr() == values.untyped_storage().data_ptr()
            rows = rows.clone() if self._several and shared else rows
            if where is None:
                one = code if isinstance(code, np.ndarray) else None
                found.append(LayerRows(name, rows, place, None, one))
                return
            row, position = where.cpu().numpy().T
            codes = of_tokens(code, batch, row, position)
            found.append(LayerRows(name, rows, place[row], position.astype(np.int32), codes))

        self._reader(batch, take)
        self._first.say(stacklevel=5)
        return found


def failed(error: Exception, place: np.ndarray | None, before: int) -> CaptureError:
    """What to raise in the middle of the data, with the samples that were being read, if any."""
    what = str(error) or type(error).__name__
    kept = f"(What came before, {before:,} samples, is this error's so_far.)"
    if place is None:
        broke = f"the data broke off after {before:,} samples: {what} {kept}"
        return CaptureError(broke)
    low, high = int(place.min()), int(place.max())
    which = f"sample {low:,}" if low == high else f"a batch with samples {low:,} to {high:,}"
    return CaptureError(f"{which} could not be read: {what} {kept}", place)


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
