"""The traits and messages of Explorer."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import BaseTraits, JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import WidgetSchema

ExplorerTab = Literal["split", "ranges", "probe"]


class ExplorerTraits(BaseTraits):
    """The synced traits of Explorer."""

    neuron: Annotated[int | None, "The chosen neuron."]
    tab: Annotated[ExplorerTab, "What is shown of it."]
    state: Annotated[str, "The address of what is shown."]
    layer: Annotated[str, "The layer's name."]
    _reason: Annotated[str, "Why this layer was proposed; empty where the user named it."]
    _missing: Annotated[dict[str, str], "Tabs that cannot be shown, and why, in a sentence."]
    _back: Annotated[int, "How many places are behind the present one."]
    _forward: Annotated[int, "How many are ahead."]
    _browser: Annotated[str | None, 'The NeuronBrowser inside: "IPY_MODEL_" and its model id.']
    _split: Annotated[str | None, "The SplitExplorer inside."]
    _ranges: Annotated[str | None, "The RangeExplorer inside."]
    _probe: Annotated[str | None, "The LiveProbe inside."]
    _lower: Annotated[str | None, "The SplitExplorer of a lower neuron. `None` while it opens."]
    _lower_of: Annotated[
        str, "Which neuron of a layer below is shown in place of the split, in words; empty: none."
    ]


class HistoryStep(TypedDict):
    """Go to a place that was looked at before."""

    type: Literal["history.step"]
    steps: Annotated[int, "Negative: back."]


class LowerClose(TypedDict):
    """Show the chosen neuron's own split again."""

    type: Literal["lower.close"]


EXPLORER = WidgetSchema(
    name="Explorer",
    traits=ExplorerTraits,
    requests=(HistoryStep, LowerClose, JobCancel, ViewsCount),
    messages={},
)
