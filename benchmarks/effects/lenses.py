"""Which lens tells what a neuron does? Beside what happens if the neuron is really raised.

    python -m benchmarks.effects lenses

For random neurons of each MLP layer of the two bundled language models: the cosine of each lens
with the mean change of the logits on other texts, if the neuron's activation is raised by its
standard deviation at every position (a full forward pass, not a first-order one). The control pairs
each neuron's lens with another neuron's change. Then `importance` beside the loss of
log-probability if a neuron is set to zero: Spearman's correlation over the neurons that are most
active at the last token; control: activations dealt to the neurons at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import nn

import neuronwidgets as nw
from neuronwidgets.effects.lens import centred, cosines
from neuronwidgets.models.hooks import hooked

NEURONS, TEXTS, TOKENS, CHECKED, PROMPTS = 4, 8, 48, 24, 2


def changes(model: nn.Module, row: object, ids: torch.Tensor,
            neurons: np.ndarray) -> Iterator[torch.Tensor]:  # fmt: skip
    """The mean change of the logits if each neuron is raised by its standard deviation: `V`."""
    module, kept = model.get_submodule(row.name), []
    with torch.no_grad():
        with hooked(module, lambda value: kept.append(value.clone()), at=row.at):
            base = model(ids).logits
        for neuron in neurons.tolist():
            step = torch.zeros(kept[0].shape[-1])
            step[neuron] = kept[0][..., neuron].std()
            with hooked(module, lambda value, step=step: value + step, at=row.at):
                yield (model(ids).logits - base)[:, 16:].mean((0, 1))


def effects(model: nn.Module, tokenizer: object, row: object, ids: torch.Tensor,
            rng: np.random.Generator) -> tuple[float, ...]:  # fmt: skip
    """Cosines with the true change: logit lens, Jacobian lens, and both of other neurons."""
    neurons = rng.choice(row.width, NEURONS, replace=False)
    true = centred(torch.stack(list(changes(model, row, ids[TEXTS:], neurons))))
    found = {}
    top = true.shape[1] // 2
    shown = nw.effects_of(neurons, model, ids[:TEXTS].tolist(), layer=row.name, at=row.at,
                          poles=False, random=1, samples=TEXTS, top=top)  # fmt: skip
    for name, lens in shown.lenses.items():
        whole = torch.zeros(true.shape, dtype=torch.float64)
        whole.scatter_(1, torch.as_tensor(lens.promoted), torch.as_tensor(lens.raised))
        whole.scatter_(1, torch.as_tensor(lens.demoted), torch.as_tensor(lens.lowered))
        found[name] = whole
    logit, jacobian = found["logit"], found["jacobian"]
    return (
        float(cosines(logit, true).mean()), float(cosines(logit.roll(1, 0), true).mean()),
        float(cosines(jacobian, true).mean()), float(cosines(jacobian.roll(1, 0), true).mean()),
        float(shown.jacobian.agreement.mean()), float(shown.cosine.mean()),
    )  # fmt: skip


def ablated(model: nn.Module, row: object, ids: torch.Tensor) -> tuple[float, float]:
    """Spearman's correlation of `importance`, and of its control, with the loss by ablation."""
    module, found = model.get_submodule(row.name), [[], []]
    for prompt in ids[:PROMPTS]:
        imp = nw.importance(model, prompt.tolist(), row.name, at=row.at)
        active = np.argsort(-np.abs(imp.activation))[:CHECKED]
        with torch.no_grad():
            loss = []
            for neuron in active.tolist():
                keep = torch.ones(len(imp))
                keep[neuron] = 0
                last = torch.ones(len(prompt), 1)
                last[-1] = 0
                mask = torch.maximum(last, keep)
                with hooked(module, lambda value, mask=mask: value * mask, at=row.at):
                    p = model(prompt[None]).logits[0, -1].log_softmax(-1)[imp.target_id]
                loss.append(imp.log_probability - float(p))
        found[0].append(spearmanr(imp.imp[active], loss).statistic)
        found[1].append(spearmanr(imp.chance[active], loss).statistic)
    return float(np.mean(found[0])), float(np.mean(found[1]))


def main() -> None:
    topics, stories = nw.datasets.topics(), nw.datasets.stories()
    print("| model | layer | logit | other | Jacobian | other | halves | lenses | Imp | dealt |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, model, tokenizer in (
        ("topics.lm", topics.lm, topics.tokenizer), ("stories", stories.model, stories.tokenizer)
    ):  # fmt: skip
        encoded = (
            tokenizer(text, truncation=True, max_length=160)["input_ids"]
            for text in topics.texts[:400]
        )
        long = [ids[:TOKENS] for ids in encoded if len(ids) >= TOKENS][: 2 * TEXTS]
        ids, rng = torch.tensor(long), np.random.default_rng(0)
        for row in nw.layers(model):
            if row.neurons:
                row = _wide(model, row, ids) if row.width is None else row
                numbers = (*effects(model, tokenizer, row, ids, rng), *ablated(model, row, ids))
                print(f"| {name} | {row.name} | " + " | ".join(f"{n:.2f}" for n in numbers) + " |",
                      flush=True)  # fmt: skip


def _wide(model: nn.Module, row: object, ids: torch.Tensor) -> object:
    """The row with its width, which one pass tells."""
    kept = []
    module = model.get_submodule(row.name)
    with torch.no_grad(), hooked(module, lambda v: kept.append(v.shape[-1]), at=row.at):
        model(ids[:1])
    return replace(row, width=kept[0])
