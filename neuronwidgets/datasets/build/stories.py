"""Rebuild `data/stories`: copy the TinyLlama of 260,000 parameters and write its card.

    python -m neuronwidgets.datasets.build.stories --source DIR [--out DIR]

`--source` holds the model and its tokenizer in `from_pretrained` format. Nothing is trained. The
tokenizer's settings are rewritten.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from safetensors import safe_open

from neuronwidgets.datasets.build import DATA, copy_licence, versions, write_json

FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
)
TOKENIZER = "tokenizer_config.json"
POSITIONS = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=DATA / "stories")
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    copy_licence("stories", out)
    for name in FILES:
        shutil.copyfile(args.source / name, out / name)
    settings = json.loads((args.source / TOKENIZER).read_text(encoding="utf-8"))
    settings.pop("backend", None)
    # A class that transformers 4 also knows, no token types, and the length for truncation.
    settings |= {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": POSITIONS,
        "model_input_names": ["input_ids", "attention_mask"],
    }
    write_json(out / TOKENIZER, settings)
    parameters = 0
    with safe_open(out / "model.safetensors", framework="np") as weights:
        for name in weights.keys():  # noqa: SIM118 - not a dict
            size = 1
            for length in weights.get_slice(name).get_shape():
                size *= length
            parameters += size
    card = {
        "what": "stories260K: a Llama of 260,000 parameters trained on TinyStories",
        "source": "https://huggingface.co/karpathy/tinyllamas (Andrej Karpathy); "
        "TinyStories: Eldan and Li 2023, arXiv:2305.07759",
        "licence": "MIT (see LICENSE)",
        "parameters": parameters,
        "training": "by Andrej Karpathy; weights copied unchanged, no accuracy measured here",
        "versions": versions("safetensors"),
    }
    write_json(out / "card.json", card)
    print(f"{parameters} parameters")


if __name__ == "__main__":
    main()
