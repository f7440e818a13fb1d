"""`effects_of`: the tokens or classes that neurons and concepts promote and demote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from neuronwidgets.activations.activations import Activations
from neuronwidgets.core.checks import integer
from neuronwidgets.core.compiled import plain
from neuronwidgets.core.labels import plain_names
from neuronwidgets.core.layer_place import titled
from neuronwidgets.core.modes import own_modes
from neuronwidgets.data.batch import Batch
from neuronwidgets.data.batches import batches
from neuronwidgets.data.position_limit import position_table
from neuronwidgets.effects.effects import Effects
from neuronwidgets.effects.jacobian import SINKS, Jacobian, Products
from neuronwidgets.effects.lens import Lens, Read, centred, cosines, lens_of
from neuronwidgets.effects.readout import Traced, probe_inputs, taken, traced
from neuronwidgets.effects.route import Route
from neuronwidgets.effects.subjects import Subjects

SAMPLES = 32
"""Samples of the Jacobian lens: halves of 16 agree within 0.1 in most models."""
MAX_LENGTH = 128
"""Tokens to which texts are cut, as in the Jacobian lens's own fits."""
RANDOM = 4
"""Random vectors of the same kind, as a control: as costly as as many neurons."""
MOST_JACOBIAN = 64
"""More vectors than these get no Jacobian lens: each takes a pass over the samples."""
CHUNK = 1 << 24
"""Numbers at once, effects or the vectors that they are of: 64 MB in float32."""


def effects_of(
    source: Any,
    model: nn.Module,
    data: Any = None,
    *,
    layer: str | nn.Module | None = None,
    at: Any = None,
    neurons: Any = None,
    poles: bool | None = None,
    top: int = 10,
    samples: int = SAMPLES,
    random: int = RANDOM,
    sinks: int = SINKS,
    seed: int = 0,
    tokenizer: Any = None,
    transform: Callable[[Any], Any] | None = None,
    classes: Sequence[str] | Mapping[Any, str] | None = None,
    predict: Callable[[Any], Any] | None = None,
    batch_size: int = 16,
    max_length: int | None = MAX_LENGTH,
    neuron_axis: int | None = None,
) -> Effects:
    """The tokens (or classes) that neurons, concepts or vectors promote and demote.

    **The logit lens** follows a vector `w` of the layer along the linear way to the output:
    `u = g * (w W_out)`, then `u W_U`, less its mean over the outputs. `W_out` is the matrix that
    reads the layer (the rows that neurons write), `g` the weight of the final norm, whose scale is
    held fixed, `W_U` the unembedding. A vector of the residual stream has no `W_out`. The way is
    found by following one pass, so that no architecture is known by its name. Where an activation
    function is on every way, there is no logit lens, and `note` says so.

    **The Jacobian lens** (Anthropic 2026) is the mean first-order effect through all that follows:
    `J w`, then the same final norm and `W_U`, where `J = E[d h_final / d h]` over texts and over
    source and later target positions. It takes one forward-mode product per sample and vector. For
    a classifier, or without a final norm, it is the mean change of the logits if `w` is added at
    all positions.

    Beside both stand the agreement of two halves of the samples (the logit lens: of a concept's
    members), the cosine of one lens with the other, and the same for random vectors of the same
    kind: other neurons, or random directions.

    Args:
        source: `Concepts` (their `differences`), a `Split` (its neuron or direction), `Activations`
            (all neurons, or `neurons`); with `layer=` also the numbers of neurons, or vectors
            `K x D`.
        model: the model that the layer belongs to, with its head.
        data: samples for the Jacobian lens, as `capture` takes. Not given: those that the
            activations hold, if `tokenizer` (for texts) or images allow it.
        layer, at: the layer, for neurons and vectors alone. `at` is where its neurons are.
        neurons: of activations: their numbers.
        poles: whether a neuron has two rows, + and -, since its activation takes both signs. Not
            given: for gated MLPs.
        top: outputs on each side.
        samples: of the Jacobian lens, the first of the data; 0 for none.
        random: random vectors, as a control.
        sinks: positions at the beginning of each text that the Jacobian lens of a language model
            leaves out; of a text shorter than four times this a quarter. The last one is out, too.
        seed: of the random vectors.
        tokenizer, transform, batch_size, max_length, neuron_axis: see `capture`. The tokenizer also
            names the tokens.
        classes: the names of a classifier's outputs in order, or an `id2label`. Not given:
            `config.id2label`.
        predict: the model's output -> logits.

    Returns:
        `Effects`: `to_frame()` has a row per vector and lens.

    Raises:
        TypeError: `source` is nothing that has effects.
        ValueError, IndexError: no such layer or neuron; no linear way to the output and no data.
    """
    top, random = integer("top", top, 1), integer("random", random, 0)
    samples, sinks = integer("samples", samples, 0), integer("sinks", sinks, 0)
    subjects = Subjects.of(source, model, layer, at, neurons, poles)
    if data is None and subjects.acts is not None:
        data = data_of(subjects.acts, tokenizer, max(1, samples))
    read: list[Batch] = []
    if data is not None:
        source = batches(
            data, model=model, processor=tokenizer, transform=transform, batch_size=batch_size,
            max_length=default_length(model) if max_length == MAX_LENGTH else max_length,
        )  # fmt: skip
        read = taken(source, samples or 1)
    inputs, size = probe_inputs(model, read)
    trace = traced(model, subjects.layer, subjects.at, inputs, size, neuron_axis, predict)
    subjects.check(trace.width)
    dtype = torch.promote_types(trace.values.dtype, torch.float32)
    control = torch.as_tensor(subjects.others(random, trace.width, seed), dtype=dtype)
    notes = []
    logit = whole = None
    if trace.route is None:
        notes.append(
            f"No logit lens: every way from {titled(subjects.layer, subjects.at)} to the output "
            "leads through an activation function or another map that is not linear."
        )
    else:
        logit, whole = _logit_lens(trace.route, subjects, trace.width, control, top)
        if trace.route.norms > 1:
            notes.append(f"The logit lens holds the scale of {trace.route.norms} norms fixed.")
    jacobian, cosine, chance_cosine = None, np.full(len(subjects), np.nan), np.full(0, np.nan)
    counted = 0
    if samples and read and len(subjects) <= MOST_JACOBIAN:
        vectors = torch.as_tensor(subjects.rows(trace.width), dtype=dtype)
        products = _products(trace, model, sinks, neuron_axis, predict)
        # A pole's mirror image has the mirrored effects: one product is enough.
        step = 2 if subjects.poles else 1
        found = products[0].over(read, torch.cat([vectors[::step], control]))
        found = found.mirrored(len(vectors) // 2) if subjects.poles else found
        counted = sum(found.samples)
        jacobian, effects = _jacobian_lens(found, products[1], len(subjects), top)
        if whole is not None:
            both = cosines(whole, effects)
            cosine, chance_cosine = both[: len(subjects)], both[len(subjects) :]
    elif logit is not None:
        few = "pass data=" if not read else f"more than {MOST_JACOBIAN} vectors"
        notes.append(f"No Jacobian lens: {few}." if samples else "No Jacobian lens: samples=0.")
    if logit is None and jacobian is None:
        raise ValueError(
            f"{notes[0]} The Jacobian lens needs samples: pass data= (and tokenizer= for texts) "
            f"and at most {MOST_JACOBIAN} vectors."
        )
    kind, outputs = _outputs(model, trace, tokenizer, classes, [logit, jacobian])
    share = np.full(len(subjects), np.nan) if subjects.share is None else subjects.share
    return Effects(
        subjects.layer, subjects.at, kind, subjects.names, outputs, logit, jacobian, cosine,
        chance_cosine, share, 0 if trace.route is None else trace.route.norms, counted,
        " ".join(notes),
    )  # fmt: skip


def default_length(model: nn.Module) -> int:
    """`MAX_LENGTH`, or the number of tokens that a model has position embeddings for, if fewer."""
    return min(MAX_LENGTH, position_table(model) or MAX_LENGTH)


def data_of(acts: Activations, tokenizer: Any, samples: int) -> Any:
    """The first samples that activations hold; `None` where the model cannot read them."""
    held = acts.samples
    if held.kind == "text" and tokenizer is not None:
        return list(held.texts[:samples])
    return list(held.images[:samples]) if held.kind == "image" else None


@own_modes()
@torch.no_grad()
def _logit_lens(
    route: Route, subjects: Subjects, width: int, control: torch.Tensor, top: int
) -> tuple[Lens, torch.Tensor | None]:
    """The lens; and all effects, of the vectors and the controls, if they are few."""
    dtype, device = control.dtype, control.device
    route = _on(route, device)

    def read(rows: np.ndarray) -> torch.Tensor:
        return centred(route.linear(torch.as_tensor(rows, dtype=dtype)))

    random = centred(route.linear(control)) if len(control) else control.new_zeros((0, 1))
    outputs = route.linear(torch.zeros((1, width), dtype=dtype)).shape[1]
    # A neuron is an axis: with few outputs, its vector is longer than its effects.
    size = max(1, CHUNK // max(outputs, width))
    count = len(subjects)
    parts = [read(subjects.rows(width, slice(i, i + size))) for i in range(0, count, size)]
    agreement = np.full(count, np.nan)
    if subjects.halves is not None:
        agreement = cosines(*(read(half) for half in subjects.halves))
    lens = lens_of(parts, top, agreement, random, np.full(0, np.nan))
    few = count <= MOST_JACOBIAN
    return lens, torch.cat([*parts, random]) if few and len(control) else (
        torch.cat(parts) if few else None)  # fmt: skip


def _on(route: Route, device: torch.device) -> Route:
    """The route with its matrices on one device, moved once."""

    def moved(value: Any) -> Any:
        return value.to(device) if isinstance(value, torch.Tensor) else value

    paths = tuple(
        tuple(
            replace(step, matrix=moved(step.matrix), gain=moved(step.gain), other=None, shift=None)
            for step in path
        )
        for path in route.paths
    )
    return replace(route, paths=paths)


def _products(
    trace: Traced, model: nn.Module, sinks: int, neuron_axis: int | None, predict: Any
) -> tuple[Products, Read]:
    """Where the Jacobian lens reads its products, and what it makes logits of them."""
    head = trace.head() if trace.per_position else None
    can_generate = getattr(plain(model), "can_generate", None)
    causal = trace.per_position and (can_generate is None or can_generate())
    target = None if head is None else head[0]
    # Logits of the last token only, as of a classifier: this token is a source, too.
    each = trace.per_position and trace.logits.shape[1] > 1
    products = Products(model, trace.layer, trace.at, target, each,
                        sinks if causal else 0, neuron_axis, predict)  # fmt: skip
    if head is None:
        return products, lambda rows: rows
    return products, Route(-1, (head[1],)).linear


@own_modes()
@torch.no_grad()
def _jacobian_lens(found: Jacobian, read: Read, count: int, top: int) -> tuple[Lens, torch.Tensor]:
    """The lens, and the effects of the vectors and the controls."""
    effects = centred(read(found.mean))
    agreement = np.full(len(effects), np.nan)
    if min(found.samples):
        agreement = cosines(*(centred(read(half)) for half in found.halves))
    lens = lens_of([effects[:count]], top, agreement[:count], effects[count:], agreement[count:])
    return lens, effects


def _outputs(
    model: nn.Module, trace: Traced, tokenizer: Any, classes: Any, lenses: list[Lens | None]
) -> tuple[str, dict[int, str]]:
    """What the outputs are, and the names of those that a lens shows."""
    count = trace.logits.shape[-1]
    shown = sorted({
        int(n) for lens in lenses if lens is not None
        for ids in (lens.promoted, lens.demoted) for n in np.unique(ids)
    })  # fmt: skip
    kind = "token" if trace.per_position and is_vocabulary(model, count, tokenizer) else "class"
    return kind, {n: output_name(model, kind, n, count, tokenizer, classes) for n in shown}


def is_vocabulary(model: nn.Module, count: int, tokenizer: Any) -> bool:
    """Whether a model's `count` outputs at each position are tokens."""
    words = getattr(getattr(plain(model), "config", None), "vocab_size", None)
    known = words if isinstance(words, int) else None
    if known is None and tokenizer is not None:
        known = len(tokenizer)
    return known is None or count >= known


def output_name(
    model: nn.Module, kind: str, number: int, count: int, tokenizer: Any, classes: Any
) -> str:
    """The name of one of `count` outputs: a token's text, or a class."""
    if kind == "token":
        return str(number) if tokenizer is None else str(tokenizer.decode([number]))
    given = plain_names(classes, "classes")
    if given is not None and len(given) != count:
        raise ValueError(f"classes must name the model's {count} outputs, got {len(given)} names.")
    own = plain_names(getattr(getattr(plain(model), "config", None), "id2label", None) or None,
                      "config.id2label")  # fmt: skip
    names = given or own or []
    return names[number] if len(names) == count else str(number)
