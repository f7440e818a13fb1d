"""Converts labels as users have them into strings, numbers or `None`, and encodes them."""

from __future__ import annotations

import datetime
import numbers
import re
import sys
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

import numpy as np

from neuronwidgets.core.text import well_formed

Label: TypeAlias = str | int | float | None

_PLAIN = frozenset((str, bool, int, float, type(None)))

MEASURED = 50
"""Distinct labels. More than 50 numbers, not all whole, are measurements and no classes."""


def plain_label(value: Any) -> Label:
    """One label as a string or a number; `None` where there is none.

    Missing are `None`, -1, NaN, `pandas.NA`, NaT, `numpy.ma.masked` and nulls of Arrow. Bytes are
    UTF-8 text, dates their ISO form.

    Raises:
        ValueError: several values.
    """
    kind = type(value)
    if kind in _PLAIN:  # most labels: quickly
        return None if kind in (int, float) and (value == -1 or value != value) else value
    if value is np.ma.masked:
        return None
    if isinstance(value, np.integer):
        return None if value == -1 else int(value)
    if isinstance(value, str):
        return str.__str__(value)  # of an enumeration, its value
    if hasattr(value, "as_py"):  # a scalar of Arrow
        return plain_label(value.as_py())
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if getattr(value, "ndim", None) == 0:
        value = _scalar(value)
    several = isinstance(value, Mapping | Set | list | tuple | np.ndarray)
    if several or getattr(value, "ndim", None) is not None:
        raise ValueError(
            f"labels has several values per sample ({value!r:.60}). Pass one: of a table of zeros "
            "and ones one column, labels[:, j], or the largest, labels.argmax(axis=1)."
        )
    if is_missing(value):
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, numbers.Real) or hasattr(value, "as_integer_ratio"):
        number = int(value) if isinstance(value, numbers.Integral) else float(value)
        return None if number == -1 else number
    return _dated(value) if isinstance(value, datetime.date) else str(value)


def _scalar(value: Any) -> Any:
    """A scalar of NumPy or torch as Python's own type."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        # Finer than microseconds, they would become bare numbers.
        return value.astype(f"{value.dtype.kind}8[us]").item()
    if isinstance(value, np.floating):
        # As it is written: the 0.1 of float32 is another number in float64.
        return float(np.format_float_scientific(value))
    if hasattr(value, "detach") and value.is_floating_point():
        return _scalar(value.detach().float().cpu().numpy()[()])
    return value.item()


def is_missing(value: Any) -> bool:
    """Whether `value` is `None`, NaN, `pandas.NA`, `pandas.NaT` or `numpy.ma.masked`."""
    pandas = sys.modules.get("pandas")
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return True
    if value is None or value is np.ma.masked:
        return True
    return isinstance(value, numbers.Number) and bool(value != value)


def _dated(value: datetime.date) -> str:
    text = value.isoformat().replace("T", " ")
    return text.removesuffix(" 00:00:00")


def plain_labels(labels: Any) -> list[Label]:
    """Every sample's label, see `plain_label`.

    Args:
        labels: a list; an array of NumPy (masked or not), torch or Arrow; a column of pandas.

    Raises:
        TypeError: no sequence of labels.
        ValueError: several values per sample.
    """
    if hasattr(labels, "columns") or hasattr(labels, "column_names"):
        raise TypeError(
            f"labels is a table ({type(labels).__name__}). Pass one column of it, labels[...], or "
            "of columns of zeros and ones the largest, labels.values.argmax(axis=1)."
        )
    if isinstance(labels, str | bytes | Mapping | Set) or not isinstance(labels, Iterable):
        raise TypeError(
            "labels must be a list or an array with one label per sample, got a "
            f"{type(labels).__name__}."
        )
    if hasattr(labels, "nnz") or "sparse" in str(getattr(labels, "layout", "")):
        raise ValueError(
            "labels is a sparse matrix, which has several values per sample. Pass one column, "
            "labels.toarray()[:, j], or the largest, labels.argmax(axis=1)."
        )
    if hasattr(labels, "detach"):
        labels = labels.detach().cpu()
        labels = (labels.float() if labels.is_floating_point() else labels).numpy()
    if type(labels) is np.ndarray and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]  # a column, as scikit-learn and binary losses have it
    if getattr(labels, "ndim", 1) == 0:
        raise TypeError("labels must have one label per sample, got a single value.")
    if type(labels) is np.ndarray and labels.ndim == 1 and labels.dtype.kind != "O":
        distinct, place = np.unique(labels, return_inverse=True)
        plain = [plain_label(label) for label in distinct]
        return [plain[i] for i in place.tolist()]
    if hasattr(labels, "tolist") and not isinstance(labels, np.ndarray):
        labels = labels.tolist()  # pandas and Arrow, which are slow to iterate
    return [plain_label(label) for label in labels]


def plain_names(names: Any, what: str = "label_names") -> list[str] | None:
    """The names of the labels 0, 1, ...; `None` if none are given.

    Args:
        names: a sequence, or a mapping such as a model's `id2label`, whose keys are whole numbers
            (strings in config.json).
        what: its name, for messages.

    Raises:
        TypeError: neither of them.
        ValueError: empty, other keys, or a number without a name.
    """
    if names is None:
        return None
    if isinstance(names, str | bytes | Set) or not isinstance(names, Iterable):
        raise TypeError(
            f"{what} must be a list of names or a dict of numbers to names, got a "
            f"{type(names).__name__}."
        )
    names = names if isinstance(names, Mapping) else list(names)
    if not names:
        raise ValueError(f"{what} must have at least one name, got none.")
    if isinstance(names, list):
        return [titled(name) for name in names]
    by_number: dict[int, Any] = {}
    for key, name in names.items():
        try:
            by_number[int(key)] = name
        except (TypeError, ValueError):
            raise ValueError(
                f"{what} must be a dict of numbers to names, such as {{0: 'cat', 1: 'dog'}} (the "
                f"id2label in a config.json), got the key {key!r}."
            ) from None
    missing = sorted(set(range(len(by_number))) - set(by_number))
    if missing:
        keys = ", ".join(map(str, sorted(by_number)[:8]))
        raise ValueError(
            f"{what} has no name for {missing[0]} (its numbers are {keys}). Give one for each "
            f"from 0 to {max(max(by_number), len(by_number) - 1)}."
        )
    return [titled(by_number[i]) for i in range(len(by_number))]


def titled(value: Any) -> str:
    """The name of a label: "1" for 1, 1.0 and True; "''" for an empty text, to be seen."""
    label = plain_label(value)
    if label is None:
        return str(value)
    if isinstance(label, str):
        return well_formed(label) if label.strip() else repr(label)
    return str(int(label)) if is_whole(label) else str(label)


def is_whole(label: Label) -> bool:
    """Whether a label is a whole number: 1, 1.0 and True are."""
    return isinstance(label, int) or (isinstance(label, float) and label.is_integer())


def index_of(label: Any, names: Sequence[str]) -> int:
    """The index of a label given by its name or its index; -1 if it is none of `names`.

    Labels whose names are numbers are given by their value only: 5, 5.0 or "5".
    """
    plain = plain_label(label)
    if plain is not None and (name := titled(plain)) in names:
        return names.index(name)
    if plain is None or isinstance(plain, bool | str) or are_numbers(names):
        return -1
    return int(plain) if is_whole(plain) and 0 <= plain < len(names) else -1


def are_numbers(names: Sequence[str]) -> bool:
    """Whether names of labels, or some of them, are numbers, which are no indices then."""
    return any(re.fullmatch(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?", name) for name in names)


def number_of(label: Label, names: Sequence[str]) -> int:
    """The index of a label that is an index into `names`; -1 for none.

    Raises:
        ValueError: it is no such index.
    """
    if label is None:
        return -1
    if not isinstance(label, str) and is_whole(label) and 0 <= label < len(names):
        return int(label)
    raise ValueError(
        f"labels must be whole numbers from 0 to {len(names) - 1}, indices into the {len(names)} "
        f"label_names, got {label!r:.40}."
    )


class LabelEncoder:
    """Labels -> codes, one after the other: whole numbers in the order in which labels first come.

    `in_order` translates them in the end to codes in the order of the names.

    Args:
        names: of the labels 0, 1, ..., which are then their own codes; `None` takes the names from
            the labels.
    """

    def __init__(self, names: Sequence[str] | None = None) -> None:
        self._given = None if names is None else tuple(names)
        self._codes: dict[str, int] = {}
        self._numeric, self._text = True, False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the codes so far."""
        return tuple(self._codes) if self._given is None else self._given

    @property
    def order(self) -> str:
        """How the names are sorted in the end: "given" (as the user gave them), "number" or
        "text"."""
        if self._given is not None:
            return "given"
        return "number" if self._numeric else "text"

    def resume(self, names: Sequence[str], order: str) -> None:
        """Continue with the `names` and `order` of an earlier encoder."""
        if self._given is None:
            self._codes = {name: i for i, name in enumerate(names)}
            self._numeric = order == "number"

    def encode(self, label: Label) -> int:
        """The code of a label; -1 for none.

        Raises:
            ValueError: the names are given, and the label is no index into them.
        """
        if self._given is not None:
            return number_of(label, self._given)
        if label is None:
            return -1
        self._numeric = self._numeric and is_whole(label)
        self._text = self._text or isinstance(label, str)
        return self._codes.setdefault(titled(label), len(self._codes))

    @property
    def measurements(self) -> str | None:
        """The first two labels if they are measurements, more than `MEASURED` numbers and not all
        of them whole; `None` for classes."""
        if len(self._codes) <= MEASURED or self._text or self._numeric:
            return None
        return ", ".join(name[:8] for name in self.names[:2])

    def require_classes(self) -> None:
        """Refuse labels that are measurements.

        Raises:
            ValueError: they are `measurements`.
        """
        if self.measurements is not None:
            raise ValueError(
                f"labels are measurements ({self.measurements}, ...), not classes. Cut them into "
                "classes first, e.g. labels = values > threshold."
            )


def in_order(
    codes: np.ndarray, names: Sequence[str], order: str
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Codes from a `LabelEncoder`, its `names` and its `order` -> the codes (int64, `None` without
    names) and names in that order."""
    if not names:
        return None, ()
    if order != "given":
        key: Any = int if order == "number" else str
        positions = sorted(range(len(names)), key=lambda i: key(names[i]))
        names = [names[i] for i in positions]
        rank = np.append(np.argsort(positions), -1)
        codes = rank[codes]
    return codes, tuple(names)


def encode_labels(
    labels: Any, count: int, names: Any = None
) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Encode labels as users have them.

    Args:
        labels: see `plain_labels`; `None` for none.
        count: how many samples there are.
        names: of labels that are indices, see `plain_names`; `None` takes the names from the
            labels, in the order of numbers if all are whole, else of their texts.

    Returns:
        int64 codes, -1 for unlabelled samples, and the names of the codes. `None` and no names if
        no sample has a label.

    Raises:
        TypeError: no sequence of labels.
        ValueError: another number of labels than samples, several values per sample, no index
            into `names`, or measurements.
    """
    if labels is None:
        return None, ()
    rows = plain_labels(labels)
    if len(rows) != count:
        raise ValueError(
            f"labels must have one entry per sample (None for no label), got {len(rows):,} "
            f"entries for {count:,} samples."
        )
    encoder = LabelEncoder(plain_names(names))
    # 1, 1.0 and True are one key, and have one name.
    code = {label: encoder.encode(label) for label in dict.fromkeys(rows)}
    encoder.require_classes()
    return in_order(np.array([code[row] for row in rows], np.int64), encoder.names, encoder.order)
