"""Rebuild `data/topics`: a small GPT-2 trained on DBpedia abstracts, and 4,000 held-out abstracts.

    python -m neuronwidgets.datasets.build.topics --source DIR [--out DIR]

`--source` holds `val.csv` and `test.csv`, 5,000 rows `"class","text"` each, drawn from the
DBpedia ontology classification set. Training reads val.csv and the first 1,000 rows of
test.csv. The last 4,000 rows of test.csv are bundled and held out.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch.nn import functional as F
from transformers import GPT2Config, GPT2ForSequenceClassification
from transformers.utils import logging

from neuronwidgets.datasets.build import (
    DATA,
    THREADS,
    copy_licence,
    reproducible,
    versions,
    write_gzip,
    write_json,
)
from neuronwidgets.datasets.load import Topics, read_topics

# In the numbering of these files, which differs from the original set's.
CLASSES = (
    "Artist",
    "Company",
    "OfficeHolder",
    "Building",
    "Village",
    "Plant",
    "EducationalInstitution",
    "Animal",
    "Album",
    "WrittenWork",
    "NaturalPlace",
    "MeanOfTransportation",
    "Athlete",
    "Film",
)
# The class in which each word is most frequent, so that files in another numbering are refused.
TELLTALES = {
    "singer": "Artist",
    "company": "Company",
    "politician": "OfficeHolder",
    "building": "Building",
    "village": "Village",
    "flowering": "Plant",
    "school": "EducationalInstitution",
    "moth": "Animal",
    "album": "Album",
    "novel": "WrittenWork",
    "river": "NaturalPlace",
    "navy": "MeanOfTransportation",
    "football": "Athlete",
    "film": "Film",
}
SEED = 0
VOCABULARY = 4096
POSITIONS = 160
EPOCHS = 12
BATCH = 32
PEAK_RATE = 3e-3
WARMUP_STEPS = 200
BLOCK = 2  # the middle layer whose neurons `topics()` names
IGNORED = -100  # the target that cross_entropy leaves out

Row = tuple[int, str]


def read_rows(path: Path) -> list[Row]:
    """(class from 0, text) of each row."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(int(number) - 1, text) for number, text in csv.reader(file)]


def check_numbering(rows: list[Row]) -> None:
    """Refuse rows in which a telltale word is most frequent in another class."""
    for word, name in TELLTALES.items():
        counts = [0] * len(CLASSES)
        for number, text in rows:
            counts[number] += text.lower().split().count(word)
        most_frequent = CLASSES[max(range(len(CLASSES)), key=counts.__getitem__)]
        if most_frequent != name:
            raise ValueError(
                f"{word!r} must be most frequent in {name}, but is in {most_frequent}: the files "
                "number the classes differently."
            )


def build_tokenizer(texts: list[str], folder: Path) -> Tokenizer:
    """Train a byte-level BPE on the texts and save it for AutoTokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 0)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "pad_token": "<pad>",
            "padding_side": "right",
            # Transformers 4 would also pass token types, which GPT-2 adds to the embeddings.
            "model_input_names": ["input_ids", "attention_mask"],
            "model_max_length": POSITIONS,
            "clean_up_tokenization_spaces": False,
        },
    )
    return tokenizer


def batches(lengths: list[int]) -> Iterator[list[int]]:
    """One epoch of row numbers in random order, with texts of similar length in one batch."""
    noise = torch.rand(len(lengths)).tolist()
    order = sorted(range(len(lengths)), key=lambda row: lengths[row] * (1 + 0.2 * noise[row]))
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    for index in torch.randperm(len(parts)).tolist():
        yield parts[index]


def train(
    config: GPT2Config, sequences: list[list[int]], labels: list[int], eos: int, pad: int
) -> GPT2ForSequenceClassification:
    """Train one body for two tasks: the next token at each position, and the class at the end.

    The class is also predicted at a random earlier position, so that it forms along the text.
    """
    model = GPT2ForSequenceClassification(config).train()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=PEAK_RATE,
        betas=(0.9, 0.98),
    )
    lengths = [min(len(sequence), POSITIONS) for sequence in sequences]
    steps = EPOCHS * math.ceil(len(sequences) / BATCH)

    def rate(step: int) -> float:
        if step < WARMUP_STEPS:
            return (step + 1) / WARMUP_STEPS
        return 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / (steps - WARMUP_STEPS)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    for epoch in range(EPOCHS):
        sums = [0.0, 0.0]
        for rows in batches(lengths):
            width = max(lengths[row] for row in rows)
            inputs = torch.full((len(rows), width), pad)
            targets = torch.full((len(rows), width), IGNORED)
            for i, row in enumerate(rows):
                # The end token is a target only, since the classifier reads the text's last token.
                following = [*sequences[row][1:], eos][: lengths[row]]
                inputs[i, : lengths[row]] = torch.tensor(sequences[row][: lengths[row]])
                targets[i, : lengths[row]] = torch.tensor(following)
            # No attention mask: padding is on the right, where no token attends to it.
            hidden = model.transformer(input_ids=inputs).last_hidden_state
            logits = hidden @ model.transformer.wte.weight.T
            text_loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            ends = torch.tensor([lengths[row] for row in rows]) - 1
            earlier = ((0.2 + 0.8 * torch.rand(len(rows))) * ends).long()
            positions = torch.stack([ends, earlier], dim=1)
            read = hidden[torch.arange(len(rows)).unsqueeze(1), positions]
            classes = torch.tensor([labels[row] for row in rows]).repeat_interleave(2)
            class_loss = F.cross_entropy(model.score(read).flatten(0, 1), classes)
            optimizer.zero_grad()
            torch.autograd.backward(text_loss + class_loss)
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            sums[0] += text_loss.item() * len(rows)
            sums[1] += class_loss.item() * len(rows)
        text_mean, class_mean = (value / len(sequences) for value in sums)
        print(
            f"epoch {epoch + 1}/{EPOCHS}: text loss {text_mean:.3f}, class loss {class_mean:.3f}",
            flush=True,
        )
    return model.eval()


def measure(data: Topics, count: int) -> dict[str, float]:
    """Accuracy at the last token and perplexity per token on the first `count` texts.

    Texts are truncated to the model's length. Every token but `<s>` is predicted.
    """
    sequences = data.tokenizer(data.texts[:count], truncation=True, max_length=POSITIONS)[
        "input_ids"
    ]
    numbers = [data.model.config.label2id[label] for label in data.labels[:count]]
    order = sorted(range(len(sequences)), key=lambda row: len(sequences[row]))
    right, loss, tokens = 0, 0.0, 0
    for start in range(0, len(order), 50):
        rows = order[start : start + 50]
        ends = torch.tensor([len(sequences[row]) for row in rows]) - 1
        padded = data.tokenizer.pad(
            {"input_ids": [sequences[row] for row in rows]}, return_tensors="pt"
        )
        with torch.no_grad():
            hidden = data.model.transformer(**padded).last_hidden_state
            classes = data.model.score(hidden[torch.arange(len(rows)), ends]).argmax(1)
            targets = padded["input_ids"].masked_fill(padded["attention_mask"] == 0, IGNORED)[:, 1:]
            loss += F.cross_entropy(
                data.lm.lm_head(hidden[:, :-1]).flatten(0, 1), targets.flatten(), reduction="sum"
            ).item()
        right += int((classes == torch.tensor([numbers[row] for row in rows])).sum())
        tokens += int(ends.sum())
    return {
        "accuracy": right / count,
        "perplexity": round(math.exp(loss / tokens), 4),
        "tokens": tokens,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=DATA / "topics")
    args = parser.parse_args()
    out: Path = args.out
    out.mkdir(parents=True, exist_ok=True)
    copy_licence("topics", out)
    reproducible(SEED)
    logging.set_verbosity_error()  # it advises an attention mask, which `train` does not need

    test = read_rows(args.source / "test.csv")
    held_out = test[-4000:]
    held_out_texts = {text for _, text in held_out}
    rows = [*read_rows(args.source / "val.csv"), *test[:1000]]
    if any(text in held_out_texts for _, text in rows):
        raise ValueError("a held-out text is also among the training rows: remove it from them.")
    check_numbering(rows)
    texts = [text for _, text in rows]

    tokenizer = build_tokenizer(texts, out)
    vocabulary = tokenizer.get_vocab()
    bos, eos, pad = (vocabulary[token] for token in ("<s>", "</s>", "<pad>"))
    config = GPT2Config(
        vocab_size=len(vocabulary),
        n_positions=POSITIONS,
        n_embd=128,
        n_layer=4,
        n_head=4,
        attn_pdrop=0.0,  # dropout in the attention would switch off the fused kernel on CPUs
        bos_token_id=bos,
        eos_token_id=eos,
        pad_token_id=pad,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: number for number, name in enumerate(CLASSES)},
        # The dtype to load and compute in; the weights are float16 on disk.
        dtype="float32",
        architectures=["GPT2ForSequenceClassification"],
    )
    model = train(
        config,
        [encoding.ids for encoding in tokenizer.encode_batch(texts)],
        [number for number, _ in rows],
        eos,
        pad,
    )
    config.save_pretrained(out)
    save_file(
        {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()},
        out / "model.safetensors",
        metadata={"format": "pt"},
    )
    (out / "model.safetensors").chmod(0o644)
    bundled = {
        "texts": [text for _, text in held_out],
        "labels": [CLASSES[number] for number, _ in held_out],
    }
    write_gzip(
        out / "texts.json.gz", json.dumps(bundled, ensure_ascii=False, indent=0).encode("utf-8")
    )

    layer = f"transformer.h.{BLOCK}.mlp.act"
    card: dict[str, object] = {
        "what": "4,000 Wikipedia abstracts in 14 classes, held out, and a small GPT-2 trained on "
        "6,000 others as language model and as classifier at once",
        "source": "DBpedia 2014 ontology classification set (Zhang, Zhao, LeCun 2015)",
        "licence": "CC BY-SA 3.0 (see LICENSE)",
        "classes": list(CLASSES),
        "layer": layer,
    }
    write_json(out / "card.json", card)
    stored = read_topics(out)
    measured = measure(stored, len(held_out))
    card |= {
        **measured,
        "first_1000": measure(stored, 1000),  # few enough for the tests to measure again
        "parameters": sum(p.numel() for p in model.parameters()),
        "training": {
            "texts": len(texts),
            "epochs": EPOCHS,
            "batch": BATCH,
            "peak_rate": PEAK_RATE,
            "seed": SEED,
            "threads": THREADS,
        },
        "versions": versions("torch", "transformers", "tokenizers", "safetensors", "numpy"),
    }
    write_json(out / "card.json", card)
    print("held out:", measured)


if __name__ == "__main__":
    main()
