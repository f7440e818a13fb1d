"""Rebuild `data/fashion`: train on the 60,000 training images, bundle the 10,000 test images.

    python -m neuronwidgets.datasets.build.fashion [--source DIR] [--out DIR]

`--source` holds the four `*-ubyte.gz` files of Fashion-MNIST (Debian and Ubuntu: package
dataset-fashion-mnist).
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from neuronwidgets.datasets.build import (
    DATA,
    THREADS,
    copy_licence,
    reproducible,
    versions,
    write_json,
)
from neuronwidgets.datasets.convnet import CHANNELS, LAYER, FashionNet
from neuronwidgets.datasets.load import FASHION_CLASSES, read_idx

SEED = 0
EPOCHS = 12
BATCH = 128
PEAK_RATE = 3e-3
TOP = 100
"""Images of a channel whose labels are counted."""
IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def _scaled(images: np.ndarray) -> torch.Tensor:
    return torch.tensor(images, dtype=torch.float32).unsqueeze(1) / 255


def train(images: torch.Tensor, labels: torch.Tensor) -> FashionNet:
    """Train with Adam, a one-cycle rate, and random mirroring (a shoe points either way)."""
    model = FashionNet(FASHION_CLASSES)
    optimizer = torch.optim.Adam(model.parameters(), lr=PEAK_RATE)
    steps = (len(images) + BATCH - 1) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=PEAK_RATE, total_steps=EPOCHS * steps
    )
    for epoch in range(EPOCHS):
        loss_sum = 0.0
        for rows in torch.split(torch.randperm(len(images)), BATCH):
            batch = images[rows]
            mirrored = torch.rand(len(rows), 1, 1, 1) < 0.5
            loss = F.cross_entropy(model(torch.where(mirrored, batch.flip(3), batch)), labels[rows])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(rows)
        print(f"epoch {epoch + 1}/{EPOCHS}: loss {loss_sum / len(images):.4f}", flush=True)
    return model.eval()


def label_entropies(means: np.ndarray, labels: np.ndarray) -> list[float]:
    """Entropy, in bits, of the labels of each channel's TOP images. means: (N, channels)."""
    entropies = []
    for channel in means.T:
        top = np.argsort(-channel, kind="stable")[:TOP]
        shares = np.unique(labels[top], return_counts=True)[1] / TOP
        entropies.append(round(float((shares * np.log2(1 / shares)).sum()), 4))
    return entropies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", type=Path, default=DATA / "fashion")
    args = parser.parse_args()
    source: Path = args.source
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    copy_licence("fashion", out)
    reproducible(SEED)

    images = read_idx(source / "train-images-idx3-ubyte.gz")
    labels = read_idx(source / "train-labels-idx1-ubyte.gz")
    model = train(_scaled(images), torch.tensor(labels, dtype=torch.int64))
    save_file(model.state_dict(), out / "model.safetensors")
    (out / "model.safetensors").chmod(0o644)  # safetensors makes it readable by its owner only
    for name in (IMAGES, LABELS):
        shutil.copyfile(source / name, out / name)

    test_labels = read_idx(source / LABELS)
    hidden: list[torch.Tensor] = []
    model.get_submodule(LAYER).register_forward_hook(
        lambda _module, _inputs, output: hidden.append(output.mean((2, 3)))
    )
    test_images = _scaled(read_idx(source / IMAGES))
    with torch.no_grad():
        logits = torch.cat([model(part) for part in torch.split(test_images, 500)])
    accuracy = float((logits.argmax(1).numpy() == test_labels).mean())
    means = torch.cat(hidden).numpy()
    entropies = label_entropies(means, test_labels)
    card = {
        "what": "Fashion-MNIST: the 10,000 test images, and a small convolutional network "
        "trained on the 60,000 training images",
        "source": "https://github.com/zalandoresearch/fashion-mnist",
        "licence": "MIT (see LICENSE)",
        "images": {"count": len(test_labels), "height": 28, "width": 28, "dtype": "uint8"},
        "classes": list(FASHION_CLASSES),
        "layer": LAYER,
        "channels": CHANNELS,
        "accuracy": accuracy,
        "top_label_entropy_bits": entropies,
        "training": {
            "images": len(labels),
            "epochs": EPOCHS,
            "batch": BATCH,
            "peak_rate": PEAK_RATE,
            "seed": SEED,
            "threads": THREADS,
        },
        "versions": versions("torch", "numpy", "safetensors"),
    }
    write_json(out / "card.json", card)
    polysemantic = sum(entropy > 1 for entropy in entropies)
    print(f"accuracy {accuracy:.4f}; {polysemantic} of {CHANNELS} channels above 1 bit")


if __name__ == "__main__":
    main()
