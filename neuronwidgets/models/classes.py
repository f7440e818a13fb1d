"""A classifier's answers: logits, what its outputs are called, and the numbers of its labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.core.labels import Label, is_whole, plain_label, plain_names, titled


def logits_of(output: Any, predict: Callable[[Any], Any] | None = None) -> torch.Tensor:
    """The logits in a model's output: `predict(output)`, else `.logits`, else the output itself."""
    if predict is not None:
        found = predict(output)
    else:
        found = getattr(output, "logits", output)
        if isinstance(found, tuple | list):
            found = found[0]
    if isinstance(found, np.ndarray) and found.dtype.kind in "biuf":
        found = torch.as_tensor(found)
    if not isinstance(found, torch.Tensor):
        who = "the model" if predict is None else "predict"
        raise ValueError(
            f"{who} returns a {type(found).__name__} without logits: pass "
            "predict=, the model's output -> logits."
        )
    return found


def class_logits(found: torch.Tensor, samples: int, classes: int) -> torch.Tensor:
    """A model's logits as `samples x classes`, all else refused; of two classes, one number for
    each sample is the log-odds of the second."""
    if tuple(found.shape) == (samples, classes):
        return found
    if is_binary(found, samples, classes):
        return two_logits(found)
    raise ValueError(
        f"the logits have shape {tuple(found.shape)}; {samples} samples x {classes} classes are "
        "needed: pass predict= or classes=."
    )


def is_binary(found: torch.Tensor, samples: int, classes: int) -> bool:
    """Whether these are one number for each sample, and the classes two."""
    return classes == 2 and tuple(found.shape) in ((samples,), (samples, 1))


def two_logits(odds: torch.Tensor) -> torch.Tensor:
    """The log-odds of the second of two classes (`B` or `B x 1`) as a logit of each: `B x 2`."""
    if not odds.is_floating_point():
        raise ValueError(
            f"the model's answers are {odds.dtype}, classes and not logits: pass predict=, its "
            "output -> logits, e.g. scikit-learn's decision_function instead of predict."
        )
    half = odds.flatten() / 2
    return torch.stack([-half, half], dim=1)


def class_names(
    model: nn.Module,
    label_names: Sequence[str],
    classes: Sequence[str] | Mapping[Any, str] | None,
) -> list[str]:
    """What the model's outputs are called, in order.

    `classes` (names in order, or an `id2label`) if given; else `config.id2label` where it knows all
    of `label_names`; labels that are whole numbers are the outputs' own numbers. Names alone do not
    tell which output is whose.
    """
    id2label = getattr(getattr(model, "config", None), "id2label", None)
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
        "classes=, the names of its outputs in order."
    )


def class_codes(
    labels: Sequence[Any], names: Sequence[str], given: Sequence[str] | None = None
) -> torch.Tensor:
    """Labels -> numbers of the model's outputs, int64; `given` names the data's own numbers."""
    codes = [_code(label, names, given) for label in map(plain_label, labels)]
    return torch.tensor(codes, dtype=torch.int64, device="cpu")


def _code(label: Label, names: Sequence[str], given: Sequence[str] | None) -> int:
    if label is None:
        raise ValueError("the data has a sample without a label: leave it out.")
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
        f"the data has the label {label!r}; the model's classes are {', '.join(names[:14])}."
    )
