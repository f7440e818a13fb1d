"""TransformerLens and nnsight at the work of capture.py's part `middle`.

    pip install "transformer-lens>=3.9,<4" nnsight  # beside neuronwidgets
    python benchmarks/capture.py --only middle --threads 2

Each way has the same weights, reads the same batches without gradients, and keeps the mean over
tokens of the residual stream after a block. Tried with TransformerLens 3.9.0 and 4.3.0, nnsight
0.8.1, transformers 5.23.0 and torch 2.13.0, on Python 3.11. What to know about them:

- `HookedTransformer`, which most TransformerLens code is written for, is gone from TransformerLens
  4; 3.9 has both it and its successor, `TransformerBridge`. Nothing is folded or centred here.
  Both are built as `from_pretrained(hf_model=...)` and `boot_transformers(hf_model=...)` build
  them, which would ask the model hub for a config and a tokenizer first.
- Both compute attention step by step, to have its pattern to show; `hook, unfused attention` is
  the hook on a model that does so too. The model itself, and so nnsight, has torch's fused way.
- To the end means without the head, as `return_type=None` asks. Only the bridge computes it all
  the same (50,257 logits for each token); the whole model is timed with and without it.
- nnsight wraps the bare model (`NNsight`), as no text has to be read.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Way = Callable[[], np.ndarray]


def ways(model: Any, parts: tuple[torch.Tensor, ...], block: int) -> dict[str, Way]:
    """The rivals that are installed, by name; says which are not.

    `model` is a `GPT2LMHeadModel`, `parts` are batches of ids, `block` counts from 0.
    """
    found: dict[str, Way] = {}
    for name, package, make in [
        ("HookedTransformer", "'transformer-lens<4'", hooked_transformer),
        ("TransformerBridge", "transformer-lens", bridge),
        ("nnsight", "nnsight", nnsight),
    ]:
        try:
            made = make(model, parts, block)
        except ImportError as error:
            why = str(error).partition(". ")[0]
            print(f"{name}: not installed: pip install {package} ({why})")
        else:
            found |= {f"{name}, {how}": way for how, way in made.items()}
    return found


def hooked_transformer(model: Any, parts: tuple[torch.Tensor, ...], block: int) -> dict[str, Way]:
    from transformer_lens import HookedTransformer, HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights

    config = HookedTransformerConfig(
        n_layers=model.config.n_layer,
        d_model=model.config.n_embd,
        n_heads=model.config.n_head,
        d_head=model.config.n_embd // model.config.n_head,
        d_mlp=4 * model.config.n_embd,
        n_ctx=model.config.n_positions,
        d_vocab=model.config.vocab_size,
        eps=model.config.layer_norm_epsilon,
        act_fn="gelu_new",
        normalization_type="LN",
        init_weights=False,
        device="cpu",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lens = HookedTransformer(config)
    lens.load_and_process_state_dict(
        convert_gpt2_weights(model, config),
        fold_ln=False,
        center_writing_weights=False,
        center_unembed=False,
        fold_value_biases=False,
    )
    return with_cache(lens, parts, block)


def bridge(model: Any, parts: tuple[torch.Tensor, ...], block: int) -> dict[str, Way]:
    from transformer_lens.model_bridge.sources import build_bridge_from_module

    inner = copy.deepcopy(model)
    inner.set_attn_implementation("eager")  # as `TransformerBridge.boot_transformers` does
    lens = build_bridge_from_module(inner, "GPT2LMHeadModel", hf_config=inner.config)
    return with_cache(lens, parts, block)


def with_cache(lens: Any, parts: tuple[torch.Tensor, ...], block: int) -> dict[str, Way]:
    name = f"blocks.{block}.hook_resid_post"

    def run(stop: int | None) -> np.ndarray:
        kept = []
        with torch.no_grad():
            for part in parts:
                _, cache = lens.run_with_cache(
                    part, names_filter=name, stop_at_layer=stop, return_type=None
                )
                kept.append(cache[name].mean(1))
        return torch.cat(kept).numpy()

    return {"stop_at_layer": lambda: run(block + 1), "to the end": lambda: run(None)}


def nnsight(model: Any, parts: tuple[torch.Tensor, ...], block: int) -> dict[str, Way]:
    from nnsight import NNsight

    sight = NNsight(copy.deepcopy(model.transformer))

    def run(stop: bool) -> np.ndarray:
        kept = []
        with torch.no_grad():
            for part in parts:
                with sight.trace(part) as tracer:
                    mean = sight.h[block].output.mean(1).save()
                    if stop:
                        tracer.stop()
                kept.append(mean)
        return torch.cat(kept).numpy()

    return {"stop": lambda: run(True), "to the end": lambda: run(False)}
