"""The traits and messages of IntruderTest."""

from typing import Annotated

from neuronwidgets.widgets.protocol.base import BaseTraits, JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, WidgetSchema
from neuronwidgets.widgets.protocol.previews import PREVIEW_SIZES, PREVIEWS, PreviewsMeta


class IntruderTestTraits(BaseTraits):
    """The synced traits of IntruderTest."""

    student: Annotated[str, "The name of who answers; often empty."]
    answers: Annotated[list[int], "The card chosen in each question so far, from 1."]
    _questions: Annotated[bytes, "The message `questions`."]


class QuestionsMeta(PreviewsMeta):
    """The metadata of `questions`. `format` to `names` are those of an answer sheet."""

    format: Annotated[str, "What an answer sheet says it is."]
    version: Annotated[int, "The version of its format."]
    layer: Annotated[str, "The name of the layer."]
    target: Annotated[str, "The neuron or direction, in words."]
    threshold: Annotated[float, "The height of the cut."]
    others: Annotated[str, "Where the odd ones come from."]
    seed: Annotated[int, "The seed of the draws."]
    names: Annotated[list[str], "The names of the concepts, shown after the last question."]
    chance: Annotated[float, "The share that a guess gets right, 0 to 1."]


QUESTIONS = Binary(
    trait="_questions",
    about="The questions, their answers, and how their samples look.",
    sizes={"Q": "questions", **PREVIEW_SIZES},
    arrays={
        "row": Array("int32", "(Q, 5)", "Rows of the activations: the five cards."),
        "odd": Array("uint8", "(Q,)", "The card that is not of the concept, from 0."),
        "concept": Array("int32", "(Q,)", "The concept that each question is about."),
        "control": Array("uint8", "(Q,)", "1: a control, five samples at random."),
        **PREVIEWS,
    },
    meta=QuestionsMeta,
)

INTRUDER_TEST = WidgetSchema(
    name="IntruderTest",
    traits=IntruderTestTraits,
    requests=(JobCancel, ViewsCount),
    messages={"questions": QUESTIONS},
)
