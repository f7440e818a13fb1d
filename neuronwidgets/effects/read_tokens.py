"""Runs the end of a model on the tokens that its output is made of, and on no others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import nn

Which = Literal["last", "first"]
"""The token of each sample that a classifier reads, as GPT and as BERT do."""
Forward = Callable[..., Any]
ROUNDING = 1e-4
"""Largest difference of two equal outputs, relative to the largest value."""
# A module's forward is replaced for a while: two threads would restore each other's.
_REPLACING = threading.RLock()


class ReadTokens:
    """The modules at the end of a classifier that may run on one token of each sample.

    Such a module is token-wise, and its output on other tokens does not reach the logits. Both are
    tried out, the second with NaN in place of the other tokens. Passes keep the NaN, so that one
    that reads another token after all is noticed.

    Args:
        model: the classifier.
        edited: the edited layers.
    """

    def __init__(self, model: nn.Module, edited: Sequence[nn.Module]) -> None:
        # A module around an edited layer must give it all tokens.
        self._candidates = [
            part for part in model.modules() if not any(m in edited for m in part.modules())
        ]
        self._modules: list[nn.Module] = []
        self._which: Which = "last"

    def __bool__(self) -> bool:
        return bool(self._modules)

    def learn(self, run: Callable[[], torch.Tensor], mask: torch.Tensor | None) -> None:
        """Find the modules.

        Args:
            run: gives the logits of a batch in a pass that begins at the lowest edited layer.
            mask: bool `B x T`, the batch's real tokens; `None`: all.
        """
        plain, modules = run(), self._token_wise(run, mask)
        for which in ("last", "first"):

            def unread(first: int, which: Which = which) -> bool:
                with _replaced(_outermost(modules[first:]), _one_token(mask, which)):
                    return _alike(run(), plain)

            if not modules or not unread(len(modules) - 1):
                continue
            # What a module's other tokens reach, those of the modules before it reach too.
            low, high = 0, len(modules) - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if unread(middle) else (middle + 1, high)
            self._modules, self._which = _outermost(modules[high:]), which
            return

    def forget(self) -> None:
        """Run all modules on all tokens from now on."""
        self._modules = []

    @contextmanager
    def only(self, mask: torch.Tensor | None) -> Iterator[None]:
        """This thread's passes of a batch run the modules on one token of each sample."""
        with _replaced(self._modules, _one_token(mask, self._which)):
            yield

    def _token_wise(
        self, run: Callable[[], torch.Tensor], mask: torch.Tensor | None
    ) -> list[nn.Module]:
        """The token-wise modules, in the order in which a pass ends them."""
        found: dict[nn.Module, bool] = {}
        comparing = False

        def watched(module: nn.Module, forward: Forward) -> Forward:
            def compared(*args: Any, **kwargs: Any) -> Any:
                nonlocal comparing
                output = forward(*args, **kwargs)
                if not comparing:
                    comparing = True
                    # On its first token a causal module is token-wise, on its last any other.
                    same = _is_of_tokens(args, kwargs, output) and all(
                        _alike(forward(*(of[at] for of in args)), output[at])
                        for at in (_index(mask, which, output) for which in ("first", "last"))
                    )
                    found[module] = same and found.get(module, True)
                    comparing = False
                return output

            return compared

        with _replaced(self._candidates, watched):
            run()
        return [module for module, same in found.items() if same]


def _one_token(mask: torch.Tensor | None, which: Which) -> Callable[[nn.Module, Forward], Forward]:
    def narrowed(_module: nn.Module, forward: Forward) -> Forward:
        def on_one(*args: Any) -> Any:
            at = _index(mask, which, args[0])
            part = forward(*(of[at] for of in args))
            output = part.new_full((*args[0].shape[:2], *part.shape[2:]), torch.nan)
            output[at] = part
            return output

        return on_one

    return narrowed


def _index(
    mask: torch.Tensor | None, which: Which, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The index of each sample's first or last real token in `B x T x ...`: two of `B x 1`."""
    samples, tokens = values.shape[:2]
    rows = torch.arange(samples, device=values.device)
    if mask is None or mask.shape != (samples, tokens):
        at = torch.full_like(rows, tokens - 1 if which == "last" else 0)
    else:
        real = mask.to(values.device).int()
        at = real.argmax(1) if which == "first" else tokens - 1 - real.flip(1).argmax(1)
    return rows[:, None], at[:, None]


def _is_of_tokens(args: Sequence[Any], kwargs: Any, output: Any) -> bool:
    """Whether a module takes and gives one or several `B x T x D` alone."""
    parts = [*args, output]
    return bool(args) and not kwargs and all(
        isinstance(part, torch.Tensor) and part.ndim == 3 and part.shape[1] > 1
        and part.shape[:2] == parts[0].shape[:2] and part.is_floating_point()
        for part in parts
    )  # fmt: skip


def _alike(values: torch.Tensor, others: torch.Tensor) -> bool:
    largest = float(others.abs().max()) if others.numel() else 0.0
    return values.shape == others.shape and torch.allclose(
        values, others, rtol=0, atol=ROUNDING * largest
    )


def _outermost(modules: Sequence[nn.Module]) -> list[nn.Module]:
    inside = {part for module in modules for part in module.modules() if part is not module}
    return [module for module in modules if module not in inside]


@contextmanager
def _replaced(
    modules: Sequence[nn.Module], make: Callable[[nn.Module, Forward], Forward]
) -> Iterator[None]:
    """Replace the forward of modules, for this thread."""
    owner = threading.get_ident()

    def replace(module: nn.Module) -> None:
        forward = module.forward
        own = make(module, forward)

        def routed(*args: Any, **kwargs: Any) -> Any:
            mine = threading.get_ident() == owner
            return (own if mine else forward)(*args, **kwargs)

        object.__setattr__(module, "forward", routed)

    if not modules:
        yield
        return
    with _REPLACING:
        before = {m: m.__dict__["forward"] for m in modules if "forward" in m.__dict__}
        try:
            for module in modules:
                replace(module)
            yield
        finally:
            for module in modules:
                if module in before:
                    object.__setattr__(module, "forward", before[module])
                else:
                    module.__dict__.pop("forward", None)
