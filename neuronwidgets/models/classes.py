"""A classifier's logits, the names of its classes, and labels as class numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.labels import Label, is_whole, plain_label, plain_names, titled
from neuronwidgets.data.accepted_inputs import unwrapped


def logits_of(output: Any, predict: Callable[[Any], Any] | None = None) -> torch.Tensor:
    """The logits in a model's output: `predict(output)`, else `.logits` or `["logits"]`, else the
    output itself.

    Raises:
        ValueError: no tensor or array of numbers.
    """
    if predict is not None:
        logits = predict(output)
    else:
        named = named_logits(output)
        logits = output if named is None else named
        if isinstance(logits, tuple | list):
            logits = logits[0]
    if isinstance(logits, np.ndarray) and logits.dtype.kind in "biuf":
        logits = torch.as_tensor(logits)
    if not isinstance(logits, torch.Tensor):
        who = "the model" if predict is None else "predict"
        raise ValueError(
            f"{who} returns a {type(logits).__name__} without logits: pass predict=<a function "
            "from the model's output to logits>."
        )
    return logits


def named_logits(output: Any) -> Any:
    """What a model's output calls logits: its attribute, or its entry in a plain dict; `None` if
    there is none."""
    named = getattr(output, "logits", None)
    return output.get("logits") if named is None and isinstance(output, Mapping) else named


def class_logits(logits: torch.Tensor, samples: int, classes: int) -> torch.Tensor:
    """A model's logits as `samples x classes`.

    Of two classes, one number per sample (`B` or `B x 1`) is the log-odds of the second.

    Raises:
        ValueError: logits of another shape.
    """
    if tuple(logits.shape) == (samples, classes):
        return logits
    if is_binary(logits, samples, classes):
        return two_logits(logits)
    raise ValueError(
        f"the logits must be {samples} samples x {classes} classes, got shape "
        f"{tuple(logits.shape)}: pass predict= or classes=."
    )


def is_binary(logits: torch.Tensor, samples: int, classes: int) -> bool:
    """Whether the classes are two and the logits one number per sample."""
    return classes == 2 and tuple(logits.shape) in ((samples,), (samples, 1))


def two_logits(odds: torch.Tensor) -> torch.Tensor:
    """Two logits, `B x 2`, from the log-odds of the second class, `B` or `B x 1`."""
    if not odds.is_floating_point():
        raise ValueError(
            f"the model's outputs must be logits, got {odds.dtype}, as of class numbers: pass "
            "predict=<a function from the model's output to logits>, e.g. scikit-learn's "
            "decision_function instead of predict."
        )
    half = odds.flatten() / 2
    return torch.stack([-half, half], dim=1)


def class_names(
    model: nn.Module,
    label_names: Sequence[str],
    classes: Sequence[str] | Mapping[Any, str] | None,
) -> list[str]:
    """The names of the model's outputs, in order.

    They are `classes` (names in order, or an `id2label`) if given, else `config.id2label` if it
    has all of `label_names`, else numbers if all `label_names` are whole numbers.

    Raises:
        ValueError: `classes` lacks a label, or nothing tells which output is which label.
    """
    id2label = getattr(getattr(unwrapped(model), "config", None), "id2label", None)
    names = plain_names(classes, "classes")
    if names is not None:
        missing = [name for name in label_names if name not in names]
        if missing:
            raise ValueError(
                f"the ranges have the label {missing[0]!r}, which is not among the "
                f"model's classes ({', '.join(names[:14])})."
            )
        return names
    known = plain_names(id2label or None, "config.id2label") or []
    if set(label_names) <= set(known):
        return known
    if all(name.isdecimal() for name in label_names):
        most = max(int(name) for name in label_names)
        return [str(i) for i in range(max(len(known), most + 1))]
    listed = ", ".join(map(repr, label_names[:3]))
    raise ValueError(
        f"{type(model).__name__} does not say which of its outputs are {listed} ...: pass "
        "classes=<the names of its outputs in order>."
    )


def class_codes(
    labels: Sequence[Any], names: Sequence[str], given: Sequence[str] | None = None
) -> torch.Tensor:
    """Labels -> numbers of the model's outputs, int64 `B`.

    Args:
        labels: one per sample.
        names: the names of the outputs.
        given: the names of the data's own whole-number labels.

    Raises:
        ValueError: a sample without a label, or a label that is no class or may be two.
    """
    codes = [_code(label, names, given) for label in map(plain_label, labels)]
    return torch.tensor(codes, dtype=torch.int64, device="cpu")


def _code(label: Label, names: Sequence[str], given: Sequence[str] | None) -> int:
    if label is None:
        raise ValueError("data has a sample without a label: leave it out.")
    if isinstance(label, str | bool) and str(label) in names:
        return names.index(str(label))
    if not isinstance(label, str) and is_whole(label):
        number = int(label)
        if given is not None:
            name = given[number] if 0 <= number < len(given) else str(number)
            if name in names:
                return names.index(name)
        elif 0 <= number < len(names):
            if str(number) in names and names[number] != str(number):
                raise ValueError(
                    f"the label {number} may be the class {str(number)!r} or the model's output "
                    f"{number}, {names[number]!r}: give the labels as strings."
                )
            return number
        elif str(number) in names:
            return names.index(str(number))
    elif titled(label) in names:
        return names.index(titled(label))
    raise ValueError(
        f"data has the label {label!r}, which is not among the model's classes "
        f"({', '.join(names[:14])})."
    )
