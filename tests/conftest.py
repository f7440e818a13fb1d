"""How all tests run: threads, markers, groups, budgets; and tokenizers that need no download.

`NEURONWIDGETS_BUDGET=full` runs notebooks and docs with their own numbers, and
`HYPOTHESIS_PROFILE=thorough` draws many more examples, others each time.
"""

from __future__ import annotations

import gc
import os
import signal
import warnings
from collections.abc import Callable, Generator, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

# Workers run beside each other, kernels and actors too: more threads would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

HERE = Path(__file__).parent
MARKS = {
    "browser/*": "browser",
    "docs/*": "slow",
    "model/*": "model",
    "model/*_ray.py": "ray",
    "model/test_datasets.py": "slow",
    "notebooks/*": "notebook",
}
"""Files -> marker of all tests in them."""
LONGEST = ("browser", "ray", "notebook", "slow")
"""Markers in the order in which tests begin: no worker is left with a long one at the end."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Next to nothing of what is imported and collected is garbage. To look for it, again and
    again, takes a third of the time; nor is it looked through when tests collect theirs."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def marks_of(file: str) -> list[str]:
    """The markers of a file, `FOLDER/NAME` below this one."""
    return [mark for files, mark in MARKS.items() if fnmatch(file, files)]


def pytest_itemcollected(item: pytest.Item) -> None:
    for mark in marks_of("/".join(item.path.parts[len(HERE.parts) :])):
        item.add_marker(mark)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        own = [i for i, name in enumerate(LONGEST) if item.get_closest_marker(name)]
        return min(own, default=len(LONGEST))

    items.sort(key=turn)


class ByGroup(LoadScopeScheduling):
    """What stays on one worker: the tests of the one JupyterLab, of the one Ray cluster, of each
    file; a page or a notebook goes anywhere. (`--dist loadgroup` renames tests, which pytest 9.2
    no longer allows.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::")[0].removeprefix(f"{HERE.name}/")
        if file.startswith(("docs/", "notebooks/")):
            return nodeid
        return next((mark for mark in marks_of(file) if mark in ("browser", "ray")), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByGroup:
    return ByGroup(config, log)


@pytest.fixture(scope="session")
def small() -> Callable[[list[str], dict[str, str]], list[str]]:
    """Pieces of code with other numbers in the place of their own, each of which is there once."""
    budget = os.environ.get("NEURONWIDGETS_BUDGET", "small")
    assert budget in ("small", "full"), f"NEURONWIDGETS_BUDGET={budget!r}; 'small' or 'full'."

    def changed(code: list[str], numbers: dict[str, str]) -> list[str]:
        for own, other in numbers.items():
            assert sum(piece.count(own) for piece in code) == 1, f"{own!r} is not there once"
            if budget == "small":
                code = [piece.replace(own, other) for piece in code]
        return code

    return changed


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A Ray cluster of two workers on this machine, for all tests."""
    import torch

    # As each actor has: sums over threads are rounded differently.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray

        for again in (True, True, False):
            try:
                ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
                break
            except Exception:  # its node has 30 seconds to start: few on a busy machine
                ray.shutdown()
                if not again:
                    raise
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.shutdown()
        gc.collect()  # handles of processes that have not ended warn as they go
    torch.set_num_threads(threads)


CORPUS = ["the cat sat on the mat", "playing players play", "naïve 日本 🧠 straße"] * 3


@pytest.fixture(scope="session")
def gpt2_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE without a padding token, as GPT-2's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        CORPUS[:2],
        trainers.BpeTrainer(
            vocab_size=290,
            initial_alphabet=sorted(alphabet),
            special_tokens=["<|endoftext|>"],
            show_progress=False,
        ),
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|endoftext|>",
        model_input_names=["input_ids", "attention_mask"],
    )


@pytest.fixture(scope="session")
def bert_tokenizer() -> PreTrainedTokenizerFast:
    """WordPiece with [CLS] and [SEP], as BERT's."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["the", "cat", "sat", "on", "mat", "play", "##ing", "##er", "##s", "日", "本", "🧠"]
    vocabulary = {
        token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words, ","])
    }
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


@pytest.fixture(scope="session")
def slow_tokenizer() -> ByT5Tokenizer:
    """One token per byte, in Python, without offsets."""
    from transformers import ByT5Tokenizer

    return ByT5Tokenizer()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Python's own handler, whatever notebooks that ran in this process have left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other at every tiny product crawl when others use the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
