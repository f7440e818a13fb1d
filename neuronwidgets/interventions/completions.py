"""What a language model writes under several edits, token by token, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from neuronwidgets.data.position_limit import positions
from neuronwidgets.data.texts import prompt_ids
from neuronwidgets.interventions.intervention import Intervention, editing
from neuronwidgets.interventions.perplexity import check_causal
from neuronwidgets.interventions.positions import CACHES
from neuronwidgets.models.classes import logits_of
from neuronwidgets.models.forward import move
from neuronwidgets.models.hooks import evaluating
from neuronwidgets.models.layers import find_layer

TOKENS = 40
TEMPERATURE = 0.7
CHOICES = 40
"""Of so many most likely tokens one is drawn."""


@dataclass
class _Voice:
    edit: Intervention | None
    fresh: torch.Tensor
    whole: torch.Tensor
    past: dict[str, Any] = field(default_factory=dict)
    made: list[int] = field(default_factory=list)
    done: bool = False


def completing(
    model: nn.Module, tokenizer: Any, prompt: str, edits: Mapping[str, Intervention | None],
    tokens: int = TOKENS, temperature: float = TEMPERATURE, seed: int = 0,
    neuron_axis: int | None = None,
) -> Iterator[dict[str, str]]:  # fmt: skip
    """Continue `prompt` under each edit (`None`: without); yields all texts after each token.

    All draw with the same random numbers (Gumbel's trick), so what differs is the edits' doing:
    an edit that changes nothing gives the same text. `temperature=0` takes the likeliest token.

    Raises:
        ValueError: the model does not predict the next token, the prompt is empty or too long.
    """
    check_causal(model)
    ids = prompt_ids(tokenizer, prompt) if prompt.strip() else None
    if ids is not None and ids.shape[1] and ids[0, -1] == getattr(tokenizer, "eos_token_id", None):
        ids = ids[:, :-1]
    if ids is None or ids.shape[1] == 0:
        raise ValueError("the prompt is empty: write how the text begins.")
    limit = positions(model)
    if limit is not None and ids.shape[1] >= limit:
        raise ValueError(f"the prompt has {ids.shape[1]} tokens and {type(model).__name__} takes "
                         f"{limit}: shorten it.")  # fmt: skip
    count = tokens if limit is None else min(tokens, limit - ids.shape[1])
    ids = move(model, ids)
    voices = {name: _Voice(edit, ids, ids) for name, edit in edits.items()}
    random = torch.Generator("cpu").manual_seed(seed)
    for _ in range(count):
        noise: torch.Tensor | None = None
        for voice in voices.values():
            if voice.done:
                continue
            with evaluating(model):
                logits = _next(model, voice, neuron_axis)
            if noise is None:
                uniform = logits.new_empty(len(logits)).uniform_(generator=random)
                noise = -torch.log(-torch.log(uniform))
            token = _drawn(logits, noise, temperature)
            voice.done = token in _ends(model, tokenizer)
            if not voice.done:
                voice.made.append(token)
            voice.fresh = torch.full((1, 1), token, device=ids.device)
            voice.whole = torch.cat([voice.whole, voice.fresh], dim=1)
        yield {name: _text(tokenizer, ids, voice) for name, voice in voices.items()}
        if all(voice.done for voice in voices.values()):
            return


def _next(model: nn.Module, voice: _Voice, axis: int | None) -> torch.Tensor:
    """The logits of the next token: `V`, float32 on the CPU."""
    module = None if voice.edit is None else find_layer(model, voice.edit.layer)
    inside: Any = nullcontext()
    if module is not None and voice.edit is not None:
        inside = editing(model, module, voice.edit, axis)
    with inside:
        if hasattr(model, "config"):
            output = model(input_ids=voice.fresh, use_cache=True, **voice.past)
            voice.past = _past(output)
            if not voice.past and voice.fresh.shape != voice.whole.shape:
                output = model(input_ids=voice.whole)
        else:
            output = model(voice.whole)
    logits: torch.Tensor = logits_of(output)[0, -1].float().cpu()
    return logits


def _past(output: Any) -> dict[str, Any]:
    """The cache in `output` under the name it has there: a model takes it by the same name."""
    names = output.keys() if isinstance(output, Mapping) else ()
    return {name: output[name] for name in CACHES if name in names}


def _drawn(logits: torch.Tensor, noise: torch.Tensor, temperature: float) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    best = logits.topk(min(CHOICES, len(logits)))
    return int(best.indices[(best.values / temperature + noise[best.indices]).argmax()])


def _ends(model: nn.Module, tokenizer: Any) -> set[int]:
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found = ends if isinstance(ends, list) else [ends]
    return {int(e) for e in (*found, getattr(tokenizer, "eos_token_id", None)) if e is not None}


def _text(tokenizer: Any, ids: torch.Tensor, voice: _Voice) -> str:
    """What was added: the difference of two decodings, since a token alone may lose its space."""
    before = tokenizer.decode(ids[0], skip_special_tokens=True)
    whole: str = tokenizer.decode([*ids[0].tolist(), *voice.made], skip_special_tokens=True)
    return whole[len(before) :].rstrip("\ufffd")
