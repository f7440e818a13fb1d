"""The batched network, its gradients and its optimisers, against PyTorch and plain formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neuronwidgets.toy.network import Gradients, Parameters, activate, initial, response
from neuronwidgets.toy.optimizer import LARGEST_NORM, Optimizer

CPU = torch.device("cpu")
R, m, k, OUT, B = 3, 4, 7, 5, 6


def parameters(seed: int = 0, scale: float = 1.0) -> Parameters:
    rng = np.random.default_rng(seed)
    shapes = ((R, k, m), (R, k), (R, OUT, k))
    return Parameters.of(*(scale * rng.normal(size=s).astype("f4") for s in shapes), CPU)


def test_parameters_are_views_of_one_array() -> None:
    rng = np.random.default_rng(0)
    given = [rng.normal(size=s).astype("f4") for s in ((R, k, m), (R, k), (R, OUT, k))]
    made = Parameters.of(*given, CPU)
    for tensor, array in zip(made.tensors, given, strict=True):
        np.testing.assert_array_equal(tensor.numpy(), array)
    made.flat.zero_()
    assert all((tensor == 0).all() for tensor in made.tensors)


@pytest.mark.parametrize("nonlinearity", ["relu", "gelu", "solu"])
@pytest.mark.parametrize("l1", [0.0, 0.3])
def test_loss_and_gradients_are_autograds(nonlinearity: str, l1: float) -> None:
    p = parameters()
    rng = torch.Generator().manual_seed(0)
    x, target = torch.randn(R, B, m, generator=rng), torch.randn(R, B, OUT, generator=rng)
    weight = torch.tensor([0.0, l1, 2 * l1])
    leaves = [tensor.clone().requires_grad_() for tensor in p.tensors]
    W1, b, W2 = leaves
    hidden = activate(x @ W1.mT + b[:, None], nonlinearity)
    loss = ((hidden @ W2.mT - target) ** 2).sum(dim=(1, 2)) / B
    (loss + weight * hidden.abs().sum(dim=(1, 2)) / B).sum().backward()
    gradients = Gradients(p, B, nonlinearity, weight)
    found = gradients(torch.cat([x, torch.ones(R, B, 1)], 2), target.clone())
    torch.testing.assert_close(found, loss.detach())
    for leaf, mine in zip(leaves, p.like(gradients.flat).tensors, strict=True):
        torch.testing.assert_close(mine, leaf.grad)


def lamb(x: np.ndarray, gradients: list[np.ndarray], rate: float) -> np.ndarray:
    """Algorithm 2 of You et al. 2020, line by line, for one tensor; no weight decay."""
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    mt, vt = np.zeros_like(x), np.zeros_like(x)
    for t, g in enumerate(gradients, 1):
        mt = beta1 * mt + (1 - beta1) * g
        vt = beta2 * vt + (1 - beta2) * g**2
        mhat, vhat = mt / (1 - beta1**t), vt / (1 - beta2**t)
        r = mhat / (np.sqrt(vhat) + eps)
        phi = min(np.linalg.norm(x), LARGEST_NORM)
        size = np.linalg.norm(r)
        x = x - rate * (phi / size if phi > 0 and size > 0 else 1.0) * r
    return x


FUSED = pytest.mark.parametrize("fused", [True, False])


@FUSED
@pytest.mark.parametrize("scale", [1.0, 100.0, 0.0])
def test_lamb_is_algorithm_2_in_each_run_and_tensor(scale: float, fused: bool) -> None:
    p = parameters(scale=scale)
    start = [tensor.clone() for tensor in p.tensors]
    gradient = torch.zeros_like(p.flat)
    views = p.like(gradient).tensors
    rates = torch.tensor([[0.01], [0.03], [0.1]])
    mine = Optimizer(p, gradient, "lamb", fused)
    rng = torch.Generator().manual_seed(1)
    steps = []
    for _ in range(5):
        gradient.normal_(generator=rng)
        views[1][2] = 0  # a tensor without a gradient
        steps.append([view.clone() for view in views])
        mine.step(rates)
    for tensor, found in enumerate(p.tensors):
        for run in range(R):
            expected = lamb(
                start[tensor][run].double().numpy(),
                [step[tensor][run].double().numpy() for step in steps],
                float(rates[run]),
            )
            np.testing.assert_allclose(found[run].numpy(), expected, rtol=2e-5, atol=1e-5 * scale)


@FUSED
def test_adam_is_pytorchs_with_a_rate_per_run(fused: bool) -> None:
    p = parameters()
    leaves = [torch.nn.Parameter(tensor.clone()) for tensor in p.tensors]
    gradient = torch.zeros_like(p.flat)
    views = p.like(gradient).tensors
    mine = Optimizer(p, gradient, "adam", fused)
    theirs = torch.optim.Adam(leaves, lr=0.01)
    rng = torch.Generator().manual_seed(1)
    for step in range(6):
        gradient.normal_(generator=rng)
        for leaf, view in zip(leaves, views, strict=True):
            leaf.grad = view.clone()
        rate = 0.01 / (step + 1)
        theirs.param_groups[0]["lr"] = rate
        theirs.step()
        mine.step(torch.full((R, 1), rate))
    for leaf, found in zip(leaves, p.tensors, strict=True):
        torch.testing.assert_close(found, leaf.detach(), rtol=1e-5, atol=1e-6)


def test_the_start_is_pytorchs() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.Linear(16, 4000)
    W1, b, W2 = initial(16, 4000, 3, -1.0, np.random.default_rng(0))
    assert W1.shape == (4000, 16)
    assert W2.shape == (3, 4000)
    np.testing.assert_allclose(W1.std(), theirs.weight.std().item(), rtol=0.02)
    np.testing.assert_allclose(np.abs(W1).max(), 0.25, rtol=0.01)
    np.testing.assert_allclose(b.mean(), -1, atol=0.01)
    np.testing.assert_allclose(b.std(), theirs.bias.std().item(), rtol=0.05)
    np.testing.assert_allclose(np.abs(W2).max(), 4000**-0.5, rtol=0.01)


def test_the_response_is_that_to_one_feature_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    W1, b, W_e = (torch.randn(*s, generator=rng) for s in ((k, m), (k,), (m, 9)))
    for value in (1.0, -1.0, 0.5):
        A = response(W1, b, W_e, "solu", value)
        for i in range(9):
            v = torch.zeros(9)
            v[i] = value
            pre = W1 @ (W_e @ v) + b
            torch.testing.assert_close(A[:, i], pre * pre.exp())
