"""LiveProbe: type a text, or paint on an image, and see what a neuron makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import traitlets as t

from neuronwidgets.activations.activations import Activations
from neuronwidgets.concepts.concepts import Concepts
from neuronwidgets.concepts.scores import most_mixed
from neuronwidgets.core.text import well_formed
from neuronwidgets.data.images import prepares_images
from neuronwidgets.effects.deletions import Deletions
from neuronwidgets.effects.readings import Reading, SampleReader
from neuronwidgets.widgets.base.given import given
from neuronwidgets.widgets.base.jobs import take
from neuronwidgets.widgets.base.widget import Whole, Widget, as_trait_error
from neuronwidgets.widgets.live_probe.picture import as_png
from neuronwidgets.widgets.live_probe.session import ProbeSession
from neuronwidgets.widgets.live_probe.states import States

BOXES = ("text", "other"), ("image", "other_image")
"""The traits of the two boxes, by what they hold."""

PNG = b"\x89PNG"


class ImageFile(t.Bytes):
    """An image file; arrays and PIL images become PNG files."""

    def validate(self, obj: Any, value: Any) -> Any:
        if isinstance(value, memoryview | bytearray):
            value = bytes(value)
        if not isinstance(value, bytes) and (hasattr(value, "getbands") or hasattr(value, "ndim")):
            with as_trait_error(ValueError):
                value = as_png(value)
        return super().validate(obj, value)


class LiveProbe(Widget):
    """A box to type or edit a text, or to drop and paint an image, under a neuron.

    It shows the neuron's activation on each token and on the whole, and how much each concept has
    of it: the dot product of the token's (or the whole's pooled) layer vector with the concept's
    direction, both taken from the layer's mean, as `split` clusters samples by "cosine". The
    direction leads to the mean of the concept's samples and has unit length. Beside each stands a
    control, the same with a random direction: to the mean of as many random samples of the same top
    samples. The pass ends at the layer. The whole is pooled as the activations of the data set
    were.

    Each change of a box is read as a job, and the latest wins. What was read before stays until
    then, and if the model raises.
    """

    _KIND = "live-probe"

    neuron = Whole(None, allow_none=True).tag(sync=True)
    """The neuron; `None` for the direction of the concepts that were given."""
    text = t.Unicode("").tag(sync=True, echo_update=False)
    """The text in the first box."""
    other = t.Unicode("").tag(sync=True, echo_update=False)
    """The text in the second box."""
    image = ImageFile().tag(sync=True, echo_update=False)
    """The image in the first box: a PNG file. An array, a PIL image or any image file may be set;
    it gets the size and the channels of the data set's images."""
    other_image = ImageFile().tag(sync=True, echo_update=False)
    """The image in the second box."""
    comparing = t.Bool(False).tag(sync=True, echo_update=False)
    """Whether the second box is read too, and compared with the first."""
    sample = Whole(None, allow_none=True).tag(sync=True, echo_update=False)
    """The row of the activations that the first box began with. Set it to start from another."""
    concept = Whole(-1).tag(sync=True, echo_update=False)
    """The concept that is lit, from 0; -1: none."""
    tolerance = t.CFloat(0.0).tag(sync=True, echo_update=False)
    """The tolerance of the template, one of `template.tolerances`; another is set to the nearest of
    them. 0 without a template."""

    _readings = t.Bytes().tag(sync=True)
    _tops = t.List().tag(sync=True)
    _deletions = t.Dict().tag(sync=True)
    _states = t.Dict().tag(sync=True)

    def __init__(
        self,
        acts: Any,
        model: Any,
        neuron: int | None = None,
        *,
        layer: Any = None,
        tokenizer: Any = None,
        concepts: Any = None,
        chunks: Any = None,
        template: Any = None,
        text: str | None = None,
        image: Any = None,
        sample: int | None = None,
        pooling: str | None = None,
        transform: Any = None,
        max_length: int | None = None,
        neuron_axis: int | None = None,
    ) -> None:
        """Open the probe.

        Args:
            acts: the layer's `Activations` on the data set. Their pooling is used, and their
                samples can be started from.
            model: the model that they were captured from.
            neuron: its number; not given: that of `concepts`, else as `SplitExplorer` chooses.
            layer: its name in the model, where `acts` have another.
            tokenizer: the model's tokenizer, for texts; its image processor, if it has one, for
                images.
            concepts: `Concepts`, or an open `SplitExplorer`, whose concepts on the screen are
                taken. Not given, and for other neurons: those of `nw.split(acts, neuron).cut()`.
            chunks: `nw.chunk_dictionary` of this layer's tokens: a strip under the text shows the
                chunk of each token.
            template: `nw.template` of this layer's tokens: the tokens in its state are marked, at
                a tolerance that a slider changes.
            text, image: what the first box holds at first.
            sample: the row of `acts` to start from; not given: the neuron's first top sample.
            pooling: how tokens become one row, for `acts` that no capture made.
            transform, max_length, neuron_axis: as they were passed to `capture`.

        Raises:
            ValueError: the model lacks the layer, or it has another width than `acts`; chunks or a
                template of another layer; texts without a tokenizer; nothing says what the boxes
                hold, or how rows were pooled.
        """
        acts = Activations.of(acts)
        kind = _kind(acts, tokenizer, text, image)
        concepts = _concepts(concepts, acts)
        reader = SampleReader(
            acts, model, layer, tokenizer, pooling, transform=transform, max_length=max_length,
            neuron_axis=neuron_axis,
        )  # fmt: skip
        if neuron is not None:
            target: Any = acts.check_neuron(neuron)
        elif concepts is not None:
            target = concepts.direction if concepts.neuron is None else concepts.neuron
        else:
            target = most_mixed(acts, None)
        states = States.of(chunks, template, acts, kind)
        session = ProbeSession(acts, reader, kind, target, self._screen, concepts, states)
        self._session, self._direction = session, None if isinstance(target, int) else target
        named = {
            "layer": layer, "tokenizer": tokenizer, "concepts": concepts, "chunks": chunks,
            "template": template, "pooling": pooling,
            "transform": transform, "max_length": max_length, "neuron_axis": neuron_axis,
        }  # fmt: skip
        super().__init__(_given=given("acts", "model", **named))
        with self._opening():
            at = 0.0 if states.template is None else states.template.tolerance
            self._put({
                "neuron": target if isinstance(target, int) else None,
                "_states": states.pack(), "tolerance": at,
            })  # fmt: skip
            if sample is None and text is None and image is None and acts.samples.kind == kind:
                sample = int(acts.top(target, 1)[0])
            if text is not None:
                session.boxes[0] = well_formed(text)
                self._put({"text": session.boxes[0]})
            elif image is not None:
                self._load(0, ImageFile().validate(self, image))
            elif sample is not None:
                self._begin(sample)
            try:
                for step in session.work():
                    take(step)
            except ValueError:
                raise
            except Exception as error:
                self._fail(error)

    # What the user reads

    @property
    def acts(self) -> Activations:
        """The activations of the data set."""
        return self._session.acts

    @property
    def concepts(self) -> Concepts | None:
        """The concepts on the screen; `None` for a neuron that cannot be split. Set it to
        `Concepts` of this layer, as `explorer.concepts`: their neuron is shown."""
        subject = self._session.subject
        return None if subject is None else subject.concepts

    @concepts.setter
    def concepts(self, value: Any) -> None:
        concepts = _concepts(value, self.acts)
        with self._jobs.lock:
            self._session.given = concepts
            if concepts is not None:
                direction = None if concepts.neuron is not None else concepts.direction
                self._direction = direction
                self._aim(concepts.neuron if direction is None else direction)
                self._put({"neuron": concepts.neuron})
        self._start(self._session.work())

    @property
    def result(self) -> Reading | None:
        """What the layer makes of the first box; `None` where it is empty. It may be of the text
        before until `wait()` returns."""
        return self._session.reading(0)

    @property
    def other_result(self) -> Reading | None:
        """What it makes of the second box; `None` where that is empty, or not compared."""
        return self._session.reading(1)

    @property
    def deletions(self) -> Deletions | None:
        """What each word of the text carries, as `delete_words` found; `None` where the text has
        changed since."""
        return self._session.deletions

    def delete_words(self) -> None:
        """Delete each word of the first text in turn, as a job; `deletions` has the result.

        Raises:
            ValueError: the boxes hold images.
        """
        if self._session.kind != "text":
            raise ValueError("the probe reads images, which have no words.")
        self._start(self._session.delete())

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None or session.subject is None:
            return "LiveProbe()"
        return f"LiveProbe({session.subject.name} of layer {self.acts.layer!r}, {session.kind}s)"

    # Traits: checked, then passed on

    @t.validate("neuron")
    def _check_neuron(self, proposal: Any) -> Any:
        if proposal["value"] is None:
            return None
        with as_trait_error(IndexError, TypeError):
            return self.acts.check_neuron(proposal["value"])

    @t.validate("concept")
    def _check_concept(self, proposal: Any) -> Any:
        count = len(self.concepts) if self.concepts is not None else 0
        if not -1 <= proposal["value"] < max(count, 0):
            raise t.TraitError(
                f"concept must be -1 or a concept's number below {count}, got {proposal['value']}."
            )
        return proposal["value"]

    @t.validate("tolerance")
    def _check_tolerance(self, proposal: Any) -> Any:
        value, states = proposal["value"], self._session.states
        if not (value > 0 if states.template is not None else value == 0):
            raise t.TraitError(
                f"tolerance must be a positive number with a template, else 0, got {value}."
            )
        return states.nearest(value) if value else value

    @t.validate("sample")
    def _check_sample(self, proposal: Any) -> Any:
        if proposal["value"] is not None:
            with as_trait_error(IndexError, ValueError):
                self._session.content_of(proposal["value"])
        return proposal["value"]

    @t.validate("text", "other")
    def _check_text(self, proposal: Any) -> Any:
        return well_formed(proposal["value"])

    @t.observe("neuron")
    def _neuron_changed(self, change: Any) -> None:
        if "neuron" in self._origin.own:
            return
        # Traitlets do not always validate None.
        if self.neuron is None and self._direction is None:
            self._put({"neuron": change["old"]})
            raise t.TraitError("neuron None stands for a direction: set concepts of one.")
        self._aim(self._direction if self.neuron is None else self.neuron)
        self._start(self._session.work())

    @t.observe("text", "other")
    def _typed(self, change: Any) -> None:
        if change["name"] in self._origin.own:
            return
        self._session.boxes[BOXES[0].index(change["name"])] = getattr(self, change["name"])
        self._start(self._session.work())

    @t.observe("image", "other_image")
    def _painted(self, change: Any) -> None:
        if change["name"] in self._origin.own:
            return
        try:
            self._load(BOXES[1].index(change["name"]), getattr(self, change["name"]))
        except ValueError as error:
            self._fail(error)
            return
        self._start(self._session.work())

    @t.observe("comparing")
    def _compared(self, _change: Any) -> None:
        session = self._session
        session.comparing = self.comparing
        if self.comparing and not len(session.boxes[1]):
            # The second box begins as the first: what differs is what the user changes.
            session.boxes[1] = session.boxes[0]
            name = BOXES[session.kind == "image"]
            self._put({name[1]: getattr(self, name[0])})
        self._start(session.work())

    @t.observe("sample")
    def _sample_changed(self, _change: Any) -> None:
        if "sample" in self._origin.own or self.sample is None:
            return
        self._begin(self.sample)
        self._start(self._session.work())

    def _begin(self, row: int) -> None:
        """Put a sample into the first box."""
        session = self._session
        content = session.content_of(row)
        session.sample, session.boxes[0], session.notes[0] = row, content, ""
        if isinstance(content, str):
            self._put({"sample": row, "text": content})
        else:
            self._put({"sample": row, "image": as_png(content)})

    def _load(self, box: int, data: bytes) -> None:
        """Put an image file into a box, as the data set's images are."""
        if data:
            image = self._session.load(box, data)
            # A view that paints shows the image already.
            if self._session.notes[box] or not data.startswith(PNG):
                data = as_png(image)
            self._put({BOXES[1][box]: data})
        else:
            self._session.boxes[box] = np.zeros((0, 0), np.uint8)

    def _aim(self, target: Any) -> None:
        self._session.target = target

    # Requests of a view

    def _messages(self) -> dict[str, Any]:
        return {
            **super()._messages(),
            "neuron.request": lambda message: self._on_neuron_request(message.get("neuron")),
            "deletions.request": lambda _: self.delete_words(),
            "reading.request": lambda _: self._read_again(),
        }

    def _on_neuron_request(self, neuron: Any) -> None:
        self.neuron = self.acts.check_neuron(neuron)

    def _read_again(self) -> None:
        # A slow pass that runs is not begun again by those who wait for it.
        if not self._jobs.running:
            self._start(self._session.work())

    def _go_on(self) -> None:
        self._start(self._session.work())


def _kind(acts: Activations, tokenizer: Any, text: Any, image: Any) -> str:
    """What the boxes hold: "text" or "image"."""
    kind = acts.samples.kind
    if text is not None and image is not None:
        raise ValueError("the probe reads a text or an image: pass one of text= and image=.")
    if text is not None:
        kind = "text"
    elif image is not None:
        kind = "image"
    elif kind == "none" and tokenizer is not None:
        kind = "image" if prepares_images(tokenizer) else "text"
    if kind == "none":
        raise ValueError(
            "acts have neither texts nor images, so nothing says what to read: pass tokenizer= to "
            "type texts, or image= to paint on an image."
        )
    if kind == "text" and tokenizer is None:
        raise ValueError("texts need the model's tokenizer: pass tokenizer=.")
    return kind


def _concepts(given: Any, acts: Activations) -> Concepts | None:
    """`Concepts`, or those on the screen of a widget that has some, checked against `acts`."""
    concepts = given if given is None or isinstance(given, Concepts) else given.concepts
    if concepts is not None and concepts.vectors.shape[1:] != acts.shape[1:]:
        raise ValueError(
            f"the concepts are of a layer with {concepts.vectors.shape[1]:,} neurons, and acts "
            f"have {acts.shape[1]:,}: pass concepts of the same layer."
        )
    return concepts
