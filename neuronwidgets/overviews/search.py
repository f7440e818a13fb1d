"""Search of a layer: a number for each neuron, by name, text, samples, contrast or output."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from math import erfc, sqrt
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import nearest
from neuronwidgets.core.modes import own_modes
from neuronwidgets.effects.contrast import Contrast, contrast_steps, false_discovery
from neuronwidgets.effects.sets import Sets, samples_of

if TYPE_CHECKING:
    from neuronwidgets.effects.layer_lens import LayerLens

Kind = Literal["name", "text", "samples", "contrast", "promoted"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CHUNK = 1 << 22
"""Activations that are summed in one step: 32 MB in float64."""
AUROC = (
    "The chance that one of these samples activates the neuron more than one of the others. 0.5 is "
    "chance; below it, the neuron fires for the others."
)


@dataclass(frozen=True)
class Query:
    """What is searched for.

    Attributes:
        kind: "name", a label or word; "text", a typed text; "samples"; "contrast"; or "promoted",
            a token or class.
        text: what was typed.
        these, those: rows of the activations; no `those`: all others.
    """

    kind: Kind
    text: str = ""
    these: tuple[int, ...] = ()
    those: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Match:
    """What a search found.

    Attributes:
        title, about, note: the column's heading, what its numbers are, a sentence on the result.
        value: float64 `D`, the match of each neuron; NaN where nothing was found.
        contrast: the comparison that gave the values, if one did.
        q: float64 `D`, the q value of each; `None` where no null is known.
        token: int64 `D`, for each neuron the token of the typed text that activates it most.
        segments: the tokens of the typed text; joined, they are the text.
    """

    title: str
    about: str
    note: str
    value: np.ndarray
    contrast: Contrast | None = None
    q: np.ndarray | None = None
    token: np.ndarray | None = None
    segments: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Standard:
    """The mean and the standard deviation of each neuron: float64 `D`."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    @own_modes()
    def of(cls, acts: Activations) -> Standard:
        """Over all samples."""
        squares = np.zeros(acts.shape[1])
        step = max(1, CHUNK // acts.shape[1])
        for start in range(0, len(acts), step):
            squares += ((acts.values[start : start + step] - acts.mean) ** 2).sum(axis=0)
        return cls(acts.mean, np.sqrt(squares / len(acts)))

    def z(self, values: np.ndarray) -> np.ndarray:
        """`D` values in standard deviations from the mean; 0 for constant neurons."""
        varies = self.deviation > 1e-6 * np.abs(self.mean)
        return np.where(varies, values - self.mean, 0) / np.where(varies, self.deviation, 1)


def by_name(acts: Activations, name: str) -> Generator[float, None, Match]:
    """Which neurons know a label, or, if there is no such label, a word of the texts?

    Raises:
        ValueError: nothing was typed, or the samples have neither labels nor texts.
    """
    name = name.strip()
    if not name:
        raise ValueError("nothing was typed: give a label or a word.")
    label = _label(acts, name)
    if label is None and not len(acts.samples.texts):
        if acts.labels is None:
            raise ValueError(
                "these samples have neither labels nor texts to search: search by samples, or "
                "by contrast."
            )
        return _nothing(acts, name, "label")
    if label is not None and acts.labels is not None:
        rows, title = np.flatnonzero(acts.labels == label), acts.label_titles[label]
        others = np.flatnonzero((acts.labels >= 0) & (acts.labels != label))
        noun = "labelled"
    else:
        rows, title = samples_with(acts, name), f"“{name}”"
        others = np.setdiff1d(np.arange(len(acts)), rows)
        noun = "with the word"
    if not len(rows):
        return _nothing(acts, name, "label or text" if acts.labels is not None else "text")
    if not len(others):
        note = f"All {len(rows):,} samples are {noun} {title}: there is nothing to compare with."
        return Match(title, AUROC, note, np.full(acts.shape[1], np.nan))
    result = yield from contrast_steps(acts, rows, others)
    return Match(title, AUROC, _found(result, f"{len(rows):,} samples {noun} {title}"),
                 result.auroc, result, result.q)  # fmt: skip


def by_samples(acts: Activations, rows: Sequence[int], standard: Standard) -> Match:
    """Which neurons fire for these samples?"""
    chosen = samples_of(acts, rows, "these")
    count = len(chosen)
    title = f"sample {chosen[0]}" if count == 1 else f"{count:,} samples"
    value = standard.z(acts.rows(chosen).mean(axis=0, dtype=np.float64))
    about = (
        "The neuron's mean activation on these samples, in standard deviations from its mean over "
        f"all samples. {count:,} random samples give 0 ± {1 / np.sqrt(count):.2g}."
    )
    return Match(title, about, "", value)


def by_contrast(
    acts: Activations, these: Sequence[int], those: Sequence[int]
) -> Generator[float, None, Match]:
    """Which neurons tell these samples from those?"""
    sets = Sets.of(acts, these, those if len(those) else None)
    result = yield from contrast_steps(acts, sets.these, sets.those)
    title = f"{len(sets.these):,} against {len(sets.those):,}"
    return Match(title, AUROC, _found(result, title), result.auroc, result, result.q)


def by_text(acts: Activations, text: str, model: Any, tokenizer: Any, standard: Standard) -> Match:
    """Which neurons fire for a typed text, and for which of its tokens?

    Raises:
        ValueError: there is no model, or nothing was typed.
    """
    from neuronwidgets.capturing.capture import capture

    if model is None:
        raise ValueError(
            "a typed text has to go through the model: pass model= (and tokenizer=) to the browser."
        )
    if not text.strip():
        raise ValueError("nothing was typed: give a text.")
    if acts.samples.kind == "image":
        raise ValueError(
            "the model reads images, and no texts: search by name, samples or contrast."
        )
    read = capture(
        model, [text], acts.layer, "token", tokenizer=tokenizer, at=acts.at, call=acts.call,
        first=acts.first, progress=False,
    )  # fmt: skip
    if read.shape[1] != acts.shape[1]:
        raise ValueError(
            f"layer {acts.layer!r} of this model has {read.shape[1]:,} neurons and the activations "
            f"have {acts.shape[1]:,}: pass the model that they were captured from."
        )
    values = np.asarray(read.values)
    strongest = values.argmax(axis=0)
    token = strongest if read.samples.token is None else read.samples.token[strongest]
    spans = read.samples.spans[0] if len(read.samples.spans) else np.array([[0, len(text)]])
    about = (
        "The neuron's largest activation over the tokens of the text, in standard deviations from "
        "its mean over the samples."
    )
    if acts.pooling not in ("token", "max"):
        about += f" The samples are {acts.pooling or 'pooled'} values, so that high ones are usual."
    value = standard.z(values.max(axis=0).astype(np.float64))
    found = segments_of(text, spans)
    return Match(_short(text), about, "", value, token=token, segments=found)


def by_output(name: str, lens: LayerLens) -> Match:
    """Which neurons promote a token or a class?

    The null is random directions: the effect of one is normal about 0, with the neurons' own root
    mean square.

    Raises:
        ValueError: nothing was typed, or the model has no such output.
    """
    if not name.strip():
        raise ValueError(f"nothing was typed: give a {lens.kind} that the model predicts.")
    number = lens.output(name)
    (title,) = lens.names([number])
    value = lens.towards(number)
    deviation = float(np.sqrt(np.mean(value**2)))
    p = np.array([erfc(abs(v) / (deviation or 1.0) / sqrt(2)) for v in value.tolist()])
    q = false_discovery(p)
    how = "logit lens" if lens.lens == "logit" else f"Jacobian lens, {lens.samples} samples"
    about = (
        f"By how much one unit of the neuron raises the logit of this {lens.kind} more than the "
        f"mean logit ({how}). 95% of random directions: up to ±{1.96 * deviation:.2g}. Bold: "
        "q < 0.05."
    )
    found = int(((q <= 0.05) & (value > 0)).sum())
    many = f"{found:,} of {len(value):,} neurons promote" if found else "No neuron promotes"
    note = f"{many} it more than random directions do (q ≤ 0.05)."
    return Match(f"→ {title}", about, note, value, q=q)


def samples_with(acts: Activations, word: str) -> np.ndarray:
    """The rows whose text (or token) contains a word; case makes no difference. int64."""
    samples = acts.samples
    texts: Any = samples.texts
    if samples.token is not None and samples.item is not None and len(samples.spans):
        texts = [
            samples.texts[item][slice(*samples.spans[item][token])]
            for item, token in zip(samples.item.tolist(), samples.token.tolist(), strict=True)
        ]
    whole = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)
    found = np.array([whole.search(text) is not None for text in texts], bool)
    if not found.any():
        # Scripts without spaces, and parts of words.
        part = word.casefold()
        found = np.array([part in text.casefold() for text in texts], bool)
    if len(found) == len(acts):
        return np.flatnonzero(found)
    return np.flatnonzero(found[samples.item])


def _label(acts: Activations, name: str) -> int | None:
    """The label of this name, by exact spelling before any case; `None` without one."""
    labels = acts.labels
    if labels is None:
        return None
    for spelled in (str, str.casefold):
        for names in (acts.label_names, acts.label_titles):
            spellings = [spelled(known) for known in names]
            if spelled(name) in spellings:
                label = spellings.index(spelled(name))
                return label if (labels == label).any() else None
    return None


def _nothing(acts: Activations, name: str, where: str) -> Match:
    note = f"No {where} has “{_short(name)}”.{nearest(name, acts.label_names, count=3)}"
    return Match(f"“{_short(name)}”", AUROC, note, np.full(acts.shape[1], np.nan))


def _found(result: Contrast, what: str) -> str:
    count = int((result.q <= 0.05).sum())
    best = float(result.auroc[result.ranked[0]])
    if not count:
        return f"{what}: no neuron tells them apart better than chance (q ≤ 0.05)."
    return (
        f"{what}: {count:,} of {len(result):,} neurons tell them apart (q ≤ 0.05; best {best:.2f})."
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else text[:39] + "…"


def segments_of(text: str, spans: np.ndarray) -> list[str]:
    """The text cut at the ends of its tokens; "" for a token that shares its characters."""
    segments, written = [], 0
    for _, end in spans.tolist():
        segments.append(text[written : max(written, end)])
        written = max(written, end)
    segments[-1] += text[written:]
    return segments
