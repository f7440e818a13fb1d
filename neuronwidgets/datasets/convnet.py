"""A small convolutional network for Fashion-MNIST."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import torch
from torch import nn

CHANNELS = 32
"""Channels of the last convolution, which is narrow so that several classes share a channel."""

LAYER = "features.7"
"""Name of that convolution's ReLU: activations float32 (B, CHANNELS, 7, 7), never negative."""


class FashionNet(nn.Module):
    """Three convolutions with ReLU, two 2x2 max-poolings, one linear classifier.

    Input: float32 (B, 1, 28, 28), gray levels in [0, 1], which the network normalises.
    Output: float32 (B, 10), logits in Fashion-MNIST's class order.

    Args:
        classes: the names of the classes in order, for `config.id2label`, where Hugging Face's
            models have theirs.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.config = SimpleNamespace(id2label=dict(enumerate(classes)))
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 48, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, CHANNELS, kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(CHANNELS * 7 * 7, 10)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # 0.286 and 0.353: mean and standard deviation of the training images' gray levels.
        hidden: torch.Tensor = self.features((images - 0.286) / 0.353)
        logits: torch.Tensor = self.classifier(self.dropout(self.flatten(hidden)))
        return logits
