"""What LiveProbe shows, what its user chose, and what is due. It knows no traits."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.display.image import is_ink
from neuronwidgets.effects.deletions import Deletions, deleting
from neuronwidgets.effects.readings import Axes, Reading, SampleReader
from neuronwidgets.widgets.base.jobs import JobProgress, Publish, Steps, pause
from neuronwidgets.widgets.base.screen import Screen
from neuronwidgets.widgets.live_probe.picture import opened, pack_readings
from neuronwidgets.widgets.live_probe.states import States, TokenStates
from neuronwidgets.widgets.live_probe.subject import SCALED, Subject

AGREES = 0.01
"""Largest difference, as a share of the neuron's largest activation, at which a sample's reading
agrees with the data set's: stores of 8 or 16 bits are that coarse."""
FIRST = 16
"""Images of the data set that tell what its images are like."""
Content = str | np.ndarray
"""What a box holds: a text or an image."""


NO_STATES = TokenStates()


class Read(NamedTuple):
    """What was read of one box: `None` where there was nothing to read."""

    content: Content
    subject: Subject
    reading: Reading | None
    note: str
    states: TokenStates = NO_STATES


class ProbeSession:
    """The state of one LiveProbe, without a kernel.

    Attributes:
        acts: the activations of the data set.
        kind: "text" or "image", what the boxes hold.
        target: the neuron's number, or a direction of unit length.
        given: the concepts that the user gave.
        states: the chunks and the template that tokens are compared with.
        boxes: what the two boxes hold.
        comparing: whether the second box is read too.
        sample: the row that the first box began with.
        reads: what was last read of each box that is shown.
        deletions: the last deletions; `None` where the text has changed since.
    """

    def __init__(
        self, acts: Activations, reader: SampleReader, kind: str, target: int | np.ndarray,
        screen: Screen, concepts: Concepts | None = None, states: States | None = None,
    ) -> None:  # fmt: skip
        self.acts, self.kind, self.target, self.given = acts, kind, target, concepts
        empty: Content = "" if kind == "text" else np.zeros((0, 0), np.uint8)
        self.boxes: list[Content] = [empty, empty]
        self.notes = ["", ""]
        self.comparing = False
        self.sample: int | None = None
        self.reads: list[Read] = []
        self.deletions: Deletions | None = None
        self.version = 0
        self._reader, self._screen = reader, screen
        self.states = states or States()
        # One pass at a time: a request that was replaced in the middle of one ends it first.
        self._turn = threading.Lock()
        self._subject: tuple[Any, Subject] | None = None
        self._scale: tuple[Subject, float] | None = None

    # What is chosen

    @cached_property
    def _images(self) -> list[np.ndarray]:
        """The first images of the data set."""
        images = self.acts.samples.images
        return [images[i] for i in range(min(len(images), FIRST))]

    @property
    def like(self) -> np.ndarray | None:
        """An image of the data set, where they have a common size."""
        sizes = {image.shape for image in self._images}
        return self._images[0] if len(sizes) == 1 else None

    def load(self, box: int, data: bytes) -> np.ndarray:
        """Put an image file into a box. Returns the image as the model will get it.

        Raises:
            ValueError: the file is no image.
        """
        image, self.notes[box] = opened(data, self.like)
        self.boxes[box] = image
        return image

    def content_of(self, row: int) -> Content:
        """The text or image of a row of the activations.

        Raises:
            IndexError: there is no such row.
            ValueError: the activations have neither.
        """
        samples = self.acts.samples
        if not 0 <= row < len(self.acts):
            raise IndexError(f"sample {row} is not among the {len(self.acts):,} rows of acts.")
        if samples.kind == "none":
            raise ValueError("acts have no texts or images to start from: type or drop one.")
        item = samples.item_of(row)
        return samples.texts[item] if samples.kind == "text" else samples.images[item]

    # What is on the screen

    @property
    def subject(self) -> Subject | None:
        """The neuron on the screen."""
        return self.reads[0].subject if self.reads else None

    def reading(self, box: int) -> Reading | None:
        """What was read of a box; `None` where nothing was."""
        return self.reads[box].reading if box < len(self.reads) else None

    # Work

    def work(self) -> Steps:
        """Read the boxes, and show what the layer makes of them."""
        yield pause
        with self._turn:
            # A newer request may have come meanwhile.
            yield pause
            reads = yield from self._read()
        yield partial(self._show, reads)

    def delete(self) -> Steps:
        """Delete each word of the first text in turn, and show what each one carries."""
        yield pause
        with self._turn:
            yield pause
            reads = yield from self._read()
            reading, subject = reads[0].reading, reads[0].subject
            if reading is None or self.kind != "text":
                raise ValueError(reads[0].note or "there is no text whose words could be deleted.")
            yield partial(self._show, reads)
            steps = deleting(self._reader, reading, subject.axes)
            while True:
                try:
                    done = next(steps)
                except StopIteration as end:
                    deletions: Deletions = end.value
                    break
                yield JobProgress(done, "deleting each word")
        yield partial(self._show_deletions, deletions)

    def _read(self) -> Generator[JobProgress | Publish, None, list[Read]]:
        """Read the boxes that have changed."""
        chosen: list[Any] = []

        # A step is taken under the lock: all choices are of one moment.
        def snapshot() -> None:
            chosen.extend([self.target, self.given, [*self.boxes], self.comparing, self.sample])

        yield snapshot
        target, given, boxes, comparing, sample = chosen
        subject = self._about(target, given)
        yield pause
        self._scaled(subject)
        reads = []
        for box, content in enumerate(boxes[: 2 if comparing else 1]):
            before = self.reads[box] if box < len(self.reads) else None
            if before and before.subject is subject and _same(before.content, content):
                reads.append(before)
                continue
            yield pause
            reads.append(self._read_box(box, content, subject, sample))
        return reads

    def _read_box(self, box: int, content: Content, subject: Subject, sample: int | None) -> Read:
        reading, note = None, ""
        if isinstance(content, np.ndarray):
            if not content.size:
                note = "Drop an image here, or choose a file or a top sample."
            else:
                reading = self._reader.image(content, subject.axes)
                note = self.notes[box]
        elif not content:
            note = "The text is empty: type one, or start from a top sample."
        elif not content.strip():
            note = "The text is only white space: there is nothing to read."
        else:
            axes = replace(subject.axes, vectors=self.states.any)
            reading = self._reader.texts([content], axes)[0]
            if reading.unread:
                count = int((reading.spans[:, 1] > reading.spans[:, 0]).sum())
                note = (
                    f"The text is longer than what is read: the first {count:,} tokens were read, "
                    f"the last {reading.unread:,} characters were not."
                )
        if reading is not None and box == 0 and not note:
            note = self._disagreement(content, reading, subject, sample)
        states = NO_STATES if reading is None else self.states.of_tokens(reading)
        return Read(content, subject, reading, note or (subject.why if box == 0 else ""), states)

    def _disagreement(
        self, content: Content, reading: Reading, subject: Subject, sample: int | None
    ) -> str:
        """A sentence where the model does not give for a sample what the data set has."""
        if sample is None or not _same(self.content_of(sample), content):
            return ""
        token = self.acts.samples.token_of(sample)
        known = float(np.asarray(self._along(sample)))
        read = reading.pooled
        if token is not None:
            read = float(reading.activations[token]) if token < len(reading.activations) else np.nan
        largest = float(max(np.abs(subject.sorted[[0, -1]])))
        if not abs(read - known) > AGREES * largest:
            return ""
        return (
            f"The data set has {known:.4g} for this sample and the model gives {read:.4g}: it was "
            "captured with other weights, pooling or preprocessing."
        )

    def _along(self, row: int) -> Any:
        values = self.acts.rows(np.array([row]))[0]
        return values[self.target] if isinstance(self.target, int) else values @ self.target

    def _about(self, target: int | np.ndarray, given: Concepts | None) -> Subject:
        key = target if isinstance(target, int) else id(target), id(given)
        if self._subject is None or self._subject[0] != key:
            self._subject = key, Subject.of(self.acts, target, _of(given, target))
        return self._subject[1]

    def _scaled(self, subject: Subject) -> float:
        """The end of the scale: the largest activation of a token in the top samples."""
        if self._scale is None or self._scale[0] is not subject:
            readings: Sequence[Reading] = []
            axes = Axes(subject.axes.target)
            if self.kind == self.acts.samples.kind:
                shown = [self.content_of(row) for row in subject.tops[:SCALED]]
                texts = [one for one in shown if isinstance(one, str)]
                if texts:
                    readings = self._reader.texts(texts, axes)
                elif isinstance(shown[0], np.ndarray):
                    readings = [self._reader.image(shown[0], axes)]
            peaks = [float(one.activations[one.peak]) for one in readings if one.peak >= 0]
            self._scale = subject, max([float(subject.sorted[-1]), *peaks])
        return self._scale[1]

    def _show(self, reads: list[Read]) -> None:
        subject = reads[0].subject
        if self.deletions is not None and (
            reads[0].subject is not self.subject
            or self.deletions.text != (reads[0].reading and reads[0].reading.text)
        ):
            self.deletions = None
        fresh = subject is not self.subject
        self.reads = reads
        self.version += 1
        inks = sum(map(is_ink, self._images))
        about = {
            "kind": self.kind,
            "layer": self._reader.layer,
            "neurons": self.acts.shape[1],
            "pooling": self._reader.pooling,
            "most": self._scaled(subject),
            "ink": 2 * inks > len(self._images),
        }
        slots = [
            (read.reading, read.content if isinstance(read.content, str) else "", read.note)
            for read in reads
        ]
        traits: dict[str, Any] = {
            "_version": self.version,
            "_readings": pack_readings(slots, subject, about, [read.states for read in reads]),
        }
        if self.deletions is None:
            traits["_deletions"] = {}
        if fresh:
            traits |= {"_tops": subject.listed(self.acts), "concept": -1}
        self._screen.put(traits)
        self._screen.clear()

    def _show_deletions(self, deletions: Deletions) -> None:
        self.deletions = deletions
        self._screen.put(
            {
                "_deletions": {
                    "text": deletions.text,
                    "words": list(deletions.words),
                    "drops": deletions.drops.tolist(),
                    "concept": deletions.concept,
                    "concept_drops": deletions.concept_drops.tolist(),
                    "random": [deletions.random_drop, deletions.random_concept_drop],
                }
            }
        )
        self._screen.clear()


def _same(one: Content, other: Content) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    return np.array_equal(one, other)


def _of(concepts: Concepts | None, target: int | np.ndarray) -> Concepts | None:
    """The concepts that the user gave, if they are of this neuron or direction."""
    if concepts is None:
        return None
    if isinstance(target, int):
        return concepts if concepts.neuron == target else None
    return concepts if concepts.neuron is None else None
