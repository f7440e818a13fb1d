"""Private parts of other libraries: where they are touched, and that they are still there."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import datasets as hf
import pytest
import torch
from torch import nn

from neuronwidgets.core import compat

PACKAGE = Path(__file__).parents[2] / "neuronwidgets"
PUBLIC = {"_fields"}
"""Documented in spite of the underscore: of named tuples."""


def defined(tree: ast.AST) -> Iterator[str]:
    """Names that a file gives to functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def private(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each private attribute or module that a file reads: `(line, name)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            yield from ((node.lineno, part) for name in names for part in name.split("."))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            yield node.lineno, ast.unparse(node.args[1]).strip("'")


def touched(package: Path) -> list[str]:
    """Private names outside of core/compat.py that no file of the package defines."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(package.rglob("*.py"))}
    own = {name for tree in trees.values() for name in defined(tree)} | PUBLIC
    return [
        f"{path.relative_to(package).as_posix()}:{line} {name}"
        for path, tree in trees.items()
        if path.relative_to(package).as_posix() != "core/compat.py"
        for line, name in private(tree)
        if name.startswith("_") and not name.startswith("__") and name not in own
    ]


def test_private_parts_are_touched_in_one_file() -> None:
    assert touched(PACKAGE) == []


@pytest.mark.parametrize(
    "source",
    [
        "model._forward_hooks",
        "getattr(model, '_forward_hooks', None)",
        "import torch._dynamo",
        "from torch._dynamo import config",
        "from torch.nn.modules.dropout import _DropoutNd",
    ],
)
def test_a_private_part_is_seen(tmp_path: Path, source: str) -> None:
    (tmp_path / "a.py").write_text(f"def f(model):\n    self._own = model._own\n    {source}\n")
    assert len(touched(tmp_path)) == 1


COMPILING = """
import torch
from neuronwidgets.core.compat import ORIGINAL, dynamo_loaded

assert not dynamo_loaded()
model = torch.nn.Linear(2, 3)
wrapped = torch.compile(model)
assert dynamo_loaded()
assert getattr(wrapped, ORIGINAL) is model
assert set(wrapped.state_dict()) == {f"{ORIGINAL}.weight", f"{ORIGINAL}.bias"}
"""


def test_a_compiled_module_holds_the_module_itself() -> None:
    subprocess.run([sys.executable, "-c", COMPILING], timeout=240, check=True)


def test_forward_hooks_are_listed() -> None:
    def before(*_: object) -> None: ...
    def after(*_: object) -> None: ...

    module = nn.Linear(1, 1)
    assert compat.forward_hooks(module) == []
    handle = module.register_forward_pre_hook(before)
    module.register_forward_hook(after)
    assert compat.forward_hooks(module) == [after, before]
    handle.remove()
    assert compat.forward_hooks(module) == [after]


def test_changes_in_place_are_counted() -> None:
    tensor = torch.zeros(3)
    before = compat.in_place_changes(tensor)
    tensor += 1
    assert compat.in_place_changes(tensor) == before + 1
    tensor[0] = 2
    assert compat.in_place_changes(tensor) == before + 2
    tensor + 1
    assert compat.in_place_changes(tensor) == before + 2
    with torch.inference_mode():
        uncounted = torch.zeros(3)
    with pytest.raises(RuntimeError, match=r"[Ii]nference"):
        compat.in_place_changes(uncounted)


@pytest.mark.parametrize(
    "kind",
    [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout],
)
def test_every_kind_of_dropout_is_one(kind: type[nn.Module]) -> None:
    assert compat.dropout_rate(kind(0.25)) == 0.25
    assert compat.dropout_rate(kind(0.0)) == 0
    assert not compat.has_batch_statistics(kind())


@pytest.mark.parametrize(
    "kind",
    [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
     nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d],
)  # fmt: skip
def test_every_batch_and_instance_norm_is_one(kind: type[nn.Module]) -> None:
    assert compat.has_batch_statistics(kind(4))
    assert compat.dropout_rate(kind(4)) == 0


def test_other_layers_are_neither() -> None:
    for module in (nn.Linear(2, 2), nn.LayerNorm(2), nn.GroupNorm(1, 2), nn.ReLU()):
        assert compat.dropout_rate(module) == 0
        assert not compat.has_batch_statistics(module)


def test_the_fused_step_is_adams() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    moved = weight.detach().clone()
    means, squares, steps = [torch.zeros(3)], [torch.zeros(3)], [torch.tensor(0.0)]
    reference = torch.optim.Adam([weight], lr=0.1, betas=(0.8, 0.9), eps=1e-6)
    for gradient in torch.tensor([[0.5, 1.0, -2.0], [1.0, -1.0, 0.0]]):
        weight.grad = gradient
        reference.step()
        compat.fused_adam(
            [moved], [gradient], means, squares, [steps[0].add_(1)], lr=0.1, beta1=0.8, beta2=0.9,
            weight_decay=0.0, eps=1e-6, amsgrad=False, maximize=False,
        )  # fmt: skip
    torch.testing.assert_close(moved, weight.detach())


def test_a_shuffled_stream_says_so() -> None:
    stream = hf.Dataset.from_dict({"x": [1, 2, 3]}).to_iterable_dataset()
    assert not compat.shuffles(stream)
    assert compat.shuffles(stream.shuffle(seed=0))
    assert compat.shuffles(stream.shuffle(seed=0).map(lambda row: row))
    assert not compat.shuffles([1, 2, 3])


def test_a_failed_capture_can_be_ended() -> None:
    from torch._C import _cuda_endAllocateToPool, _cuda_releasePool

    assert callable(_cuda_endAllocateToPool)
    assert callable(_cuda_releasePool)
    # Without a GPU, and where there is no such capture, nothing happens.
    compat.end_failed_capture(0, (0, 1 << 40))
