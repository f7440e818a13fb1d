"""The traits and messages of ToyLab."""

from typing import Annotated, Literal, TypedDict

from neuronwidgets.widgets.protocol.base import BaseTraits, JobCancel, ViewsCount
from neuronwidgets.widgets.protocol.binary import Array, Binary, WidgetSchema

Knob = Literal[
    "features",
    "dims",
    "neurons",
    "eps",
    "distribution",
    "task",
    "nonlinearity",
    "bias",
    "decay",
    "l1",
    "learning_rate",
    "cycle",
    "batch",
    "steps",
    "seed",
    "optimizer",
]


class RunConfig(TypedDict):
    """The configuration of a run: the knobs of `neuronwidgets.toy.Config`."""

    preset: Annotated[str, "The preset that it is; empty for none."]
    features: int
    dims: int
    neurons: int
    eps: float
    distribution: str
    task: str
    nonlinearity: str
    bias: float
    decay: float
    l1: float
    learning_rate: float
    cycle: int
    batch: int
    steps: int
    seed: int
    optimizer: str


class ToyLabTraits(BaseTraits):
    """The synced traits of ToyLab."""

    running: Annotated[bool, "Whether training goes on."]
    checkpoint: Annotated[int | None, "The step that is shown; `None`: the newest."]
    run_index: Annotated[int, "The run of the chosen neuron: 0 is A, 1 is B."]
    neuron: Annotated[int | None, "The chosen neuron."]
    feature: Annotated[int | None, "The chosen feature, in both runs."]
    _configs: Annotated[list[RunConfig], "The configuration of each run."]
    _picture: Annotated[bytes, "The message `runs`."]
    _checkpoints: Annotated[bytes, "The message `checkpoints`."]
    _explorer: Annotated[str | None, 'The SplitExplorer inside: "IPY_MODEL_" and its model id.']
    _split_of: Annotated[str, "What the SplitExplorer inside shows, in words."]


class TrainRun(TypedDict):
    """Train on; runs that are done begin again."""

    type: Literal["train.run"]


class TrainPause(TypedDict):
    """Pause training."""

    type: Literal["train.pause"]


class TrainStep(TypedDict):
    """Train each run one step further."""

    type: Literal["train.step"]


class TrainDouble(TypedDict):
    """Train to the next power of two of steps."""

    type: Literal["train.double"]


class TrainReset(TypedDict):
    """Return to step 0 of the same seeds."""

    type: Literal["train.reset"]


class ConfigRequest(TypedDict):
    """Change knobs of a run, which begins again."""

    type: Literal["config.request"]
    run: Annotated[int, "0 is A, 1 is B."]
    knobs: Annotated[dict[Knob, int | float | str], "The new values."]


class PresetRequest(TypedDict):
    """Change a run to a preset."""

    type: Literal["preset.request"]
    run: Annotated[int, "0 is A, 1 is B."]
    name: Annotated[str, "The name of the preset."]


class CompareRequest(TypedDict):
    """Show two runs, or one."""

    type: Literal["compare.request"]
    on: Annotated[bool, "Whether there are two."]


class CheckpointsRequest(TypedDict):
    """Send the checkpoints as they are now."""

    type: Literal["checkpoints.request"]


class ExplorerOpen(TypedDict):
    """Split the chosen neuron in a SplitExplorer inside the lab."""

    type: Literal["explorer.open"]


class ExplorerClose(TypedDict):
    """Close the SplitExplorer inside the lab."""

    type: Literal["explorer.close"]


class Counts(TypedDict):
    """What is counted of a model at one step."""

    step: Annotated[int, "Steps done."]
    peak: Annotated[float, "The response that 127 in `A` stands for."]
    monosemantic: Annotated[int, "Monosemantic neurons."]
    chance: Annotated[float, "Monosemantic neurons to expect if the responses were shuffled."]
    faint: Annotated[int, "Monosemantic neurons under a tenth of the strongest neuron's response."]
    covered: Annotated[int, "Features that a monosemantic neuron represents."]
    dead: Annotated[int, "Neurons without any response."]
    diverged: Annotated[bool, "Whether some of the numbers are not finite."]
    meanBias: Annotated[float | None, "The mean bias; `None` where it is not finite."]
    loss: Annotated[
        float | None,
        "The loss as a share of the best linear map's; `None` where it is not known or not finite.",
    ]


class RunMeta(Counts):
    """A run in `runs`."""

    name: Annotated[str, '"A" or "B".']
    color: Annotated[str, "A CSS colour."]
    title: Annotated[str, "The preset; empty for none."]
    features: Annotated[int, "Features of the model."]
    neurons: Annotated[int, "Neurons of the model."]
    steps: Annotated[int, "Steps of the whole training."]
    speed: Annotated[float, "Steps per second; 0: not known."]
    left: Annotated[float | None, "Seconds until training pauses; `None`: not known."]
    done: Annotated[bool, "Whether training has ended."]
    kept: Annotated[bool, "Whether the model is the run's last checkpoint and has no arrays here."]


class RunsMeta(TypedDict):
    """The metadata of `runs`."""

    runs: Annotated[list[RunMeta], "One or two."]


class RunCheckpoints(TypedDict):
    """A run in `checkpoints`."""

    stills: Annotated[list[Counts], "The checkpoints, by step."]


class CheckpointsMeta(TypedDict):
    """The metadata of `checkpoints`."""

    runs: Annotated[list[RunCheckpoints], "One or two."]


_KEPT = "`kept`: the last checkpoint has it"

RUNS = Binary(
    trait="_picture",
    about="The toy models as they are now, and how training went.",
    sizes={"k": "neurons", "N": "features", "L": "entries of the log"},
    arrays={
        "A": Array(
            "int8", "(k, N)",
            "Responses in steps of `peak / 127`. Rows and columns are in the order of the "
            "paper's heatmaps.",
            absent=_KEPT,
        ),
        "neurons": Array("int32", "(k,)", "The neuron in each row.", absent=_KEPT),
        "features": Array("int32", "(N,)", "The feature in each column.", absent=_KEPT),
        "bias": Array("float32", "(k,)", "The bias of each neuron.", absent=_KEPT),
        "share": Array(
            "float32", "(k,)",
            "Each neuron's largest response over the sum of its responses; 0: dead.",
            absent=_KEPT,
        ),
        "log_step": Array("int32", "(L,)", "Steps done."),
        "log_mono": Array("int32", "(L,)", "Monosemantic neurons."),
        "log_loss": Array("float64", "(L,)", "Loss as a share of the best linear map's."),
        "log_bias": Array("float64", "(L,)", "Mean bias."),
    },
    meta=RunsMeta,
    per_run=True,
)  # fmt: skip

CHECKPOINTS = Binary(
    trait="_checkpoints",
    about="The checkpoints of the toy models.",
    sizes={"S": "checkpoints", "k": "neurons", "N": "features"},
    arrays={
        "A": Array(
            "int8", "(S, k, N)", "Responses as in `runs`, with the `peak` of each checkpoint."
        ),
        "neurons": Array("int32", "(S, k)", "The neuron in each row."),
        "features": Array("int32", "(S, N)", "The feature in each column."),
        "bias": Array("float32", "(S, k)", "The bias of each neuron."),
        "share": Array("float32", "(S, k)", "The share of each neuron, as in `runs`."),
    },
    meta=CheckpointsMeta,
    per_run=True,
)

TOY_LAB = WidgetSchema(
    name="ToyLab",
    traits=ToyLabTraits,
    requests=(
        TrainRun, TrainPause, TrainStep, TrainDouble, TrainReset, ConfigRequest, PresetRequest,
        CompareRequest, CheckpointsRequest, ExplorerOpen, ExplorerClose, JobCancel, ViewsCount,
    ),
    messages={"runs": RUNS, "checkpoints": CHECKPOINTS},
)  # fmt: skip
