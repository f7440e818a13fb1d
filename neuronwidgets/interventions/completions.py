"""Completions of a language model under several edits, token by token."""

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
"""Default of the most tokens of a completion."""
TEMPERATURE = 0.7
"""Default sampling temperature: below 1, so that unlikely tokens are rare."""
CHOICES = 40
"""Tokens. A token is drawn from the 40 most likely, so that a completion stays on topic."""


@dataclass
class _Completion:
    """One edit's text so far: `new` are the ids that the model has not read, `ids` all of them."""

    edit: Intervention | None
    new: torch.Tensor
    ids: torch.Tensor
    past: dict[str, Any] = field(default_factory=dict)
    added: list[int] = field(default_factory=list)
    done: bool = False


def completing(
    model: nn.Module, tokenizer: Any, prompt: str, edits: Mapping[str, Intervention | None],
    tokens: int = TOKENS, temperature: float = TEMPERATURE, seed: int = 0,
    neuron_axis: int | None = None,
) -> Iterator[dict[str, str]]:  # fmt: skip
    """Continue `prompt` under each edit (`None`: no edit); yields all texts after each token.

    All texts are drawn with the same random numbers (the Gumbel-max trick), so an edit that changes
    nothing gives the same text. `temperature=0` takes the most likely token.

    Raises:
        ValueError: the model does not predict the next token, or the prompt is empty or too long.
    """
    check_causal(model)
    ids = prompt_ids(tokenizer, prompt) if prompt.strip() else None
    if ids is not None and ids.shape[1] and ids[0, -1] == getattr(tokenizer, "eos_token_id", None):
        ids = ids[:, :-1]
    if ids is None or ids.shape[1] == 0:
        raise ValueError("the prompt is empty: write the beginning of a text.")
    limit = positions(model)
    if limit is not None and ids.shape[1] >= limit:
        raise ValueError(f"the prompt has {ids.shape[1]} tokens and {type(model).__name__} takes "
                         f"{limit}: shorten it.")  # fmt: skip
    count = tokens if limit is None else min(tokens, limit - ids.shape[1])
    ids = move(model, ids)
    completions = {name: _Completion(edit, ids, ids) for name, edit in edits.items()}
    random = torch.Generator("cpu").manual_seed(seed)
    for _ in range(count):
        noise: torch.Tensor | None = None
        for completion in completions.values():
            if completion.done:
                continue
            with evaluating(model):
                logits = _next(model, completion, neuron_axis)
            if noise is None:
                uniform = logits.new_empty(len(logits)).uniform_(generator=random)
                noise = -torch.log(-torch.log(uniform))
            token = _drawn(logits, noise, temperature)
            completion.done = token in _ends(model, tokenizer)
            if not completion.done:
                completion.added.append(token)
            completion.new = torch.full((1, 1), token, device=ids.device)
            completion.ids = torch.cat([completion.ids, completion.new], dim=1)
        yield {name: _text(tokenizer, ids, each) for name, each in completions.items()}
        if all(completion.done for completion in completions.values()):
            return


def _next(model: nn.Module, completion: _Completion, axis: int | None) -> torch.Tensor:
    """The logits of the next token: `V`, float32 on the CPU."""
    edit, new, ids = completion.edit, completion.new, completion.ids
    edited: Any = nullcontext()
    if edit is not None:
        edited = editing(model, find_layer(model, edit.layer), edit, axis)
    with edited:
        if hasattr(model, "config"):
            output = model(input_ids=new, use_cache=True, **completion.past)
            completion.past = _past(output)
            if not completion.past and new.shape != ids.shape:
                output = model(input_ids=ids)
        else:
            output = model(ids)
    logits: torch.Tensor = logits_of(output)[0, -1].float().cpu()
    return logits


def _past(output: Any) -> dict[str, Any]:
    """The key-value cache in `output`, by its name there, which is also the model's keyword."""
    names = output.keys() if isinstance(output, Mapping) else ()
    return {name: output[name] for name in CACHES if name in names}


def _drawn(logits: torch.Tensor, noise: torch.Tensor, temperature: float) -> int:
    if temperature <= 0:
        return int(logits.argmax())
    best = logits.topk(min(CHOICES, len(logits)))
    return int(best.indices[(best.values / temperature + noise[best.indices]).argmax()])


def _ends(model: nn.Module, tokenizer: Any) -> set[int]:
    ends = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    several = ends if isinstance(ends, list) else [ends]
    return {int(e) for e in (*several, getattr(tokenizer, "eos_token_id", None)) if e is not None}


def _text(tokenizer: Any, ids: torch.Tensor, completion: _Completion) -> str:
    """The added text: the difference of two decodings, since a token alone may lose its space."""
    before = tokenizer.decode(ids[0], skip_special_tokens=True)
    whole: str = tokenizer.decode([*ids[0].tolist(), *completion.added], skip_special_tokens=True)
    return whole[len(before) :].rstrip("\ufffd")
