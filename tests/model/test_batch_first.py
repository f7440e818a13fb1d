"""Models that take the samples of a batch for the steps of one series."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

import neuronwidgets as nw


class Turned(nn.Module):
    """Turns its batches, as models of steps x samples need."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part, self.act = part, nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.part(x.transpose(0, 1))
        return self.act((out[0] if isinstance(out, tuple) else out).transpose(0, 1))


class Tagger(nn.Module):
    """Reads token ids by an LSTM."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.table, self.lstm = nn.Embedding(20, 4), nn.LSTM(4, 5, batch_first=batch_first)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.lstm(self.table(ids))[0]


PARTS: dict[str, Callable[[bool], nn.Module]] = {
    "recurrent layer": lambda first: nn.LSTM(4, 5, batch_first=first),
    "recurrent layer ": lambda first: nn.GRU(4, 5, 2, batch_first=first, bidirectional=True),
    "attention": lambda first: nn.TransformerEncoderLayer(4, 2, 8, batch_first=first),
}


@pytest.mark.parametrize("part", PARTS)
def test_models_that_mix_samples_are_named(part: str) -> None:
    rows = torch.randn(7, 6, 4)
    mixing = nn.Sequential(PARTS[part](False))
    with pytest.warns(UserWarning, match=f"{part.strip()} takes the first axis .*batch_first=True"):
        nw.capture(mixing, rows, "0", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nw.capture(nn.Sequential(PARTS[part](True)), rows, "0", progress=False)
        turned = Turned(PARTS[part](False)).eval()
        acts = nw.capture(turned, rows, "act", progress=False)
    for i in range(7):
        alone = nw.capture(turned, rows[i : i + 1], "act", progress=False)
        torch.testing.assert_close(
            torch.from_numpy(acts.values[i]), torch.from_numpy(alone.values[0])
        )


def test_token_ids() -> None:
    ids = torch.randint(1, 20, (6, 5))
    with pytest.warns(UserWarning, match="recurrent layer takes the first axis"):
        nw.capture(Tagger(False), ids, "lstm", progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nw.capture(Tagger(True), ids, "lstm", progress=False)
