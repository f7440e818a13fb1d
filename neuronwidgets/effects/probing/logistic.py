"""Logistic regression with an L2 penalty, many at once, by Newton's method."""

from __future__ import annotations

import torch

TOLERANCE = 1e-9
"""Largest entry of the gradient, per unit of sample weight, at which a fit has converged."""
STEPS = 60
"""Newton steps at most; ten are usual."""
HALVINGS = 30
"""Halvings of one Newton step at most."""


def balanced(positive: torch.Tensor) -> torch.Tensor:
    """Weights that give both sets the same weight: float64, in the shape of `positive` (`... x n`).

    They are scikit-learn's `class_weight="balanced"`.
    """
    ones = positive.double()
    share = ones.mean(dim=-1, keepdim=True)
    return torch.where(positive, 0.5 / share, 0.5 / (1 - share))


def logistic(
    columns: torch.Tensor, positive: torch.Tensor, weight: torch.Tensor, C: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """`B` regressions: minimise `|w|^2 / 2 + C sum_i weight_i log(1 + exp(-y_i (x_i w + b)))`.

    This is the objective of scikit-learn's `LogisticRegression`, with `y` in -1, +1.

    Args:
        columns: float64 `B x n x k`.
        positive: bool `B x n` (or `n`).
        weight: float64 `B x n` (or `n`).
        C: inverse strength of the penalty.

    Returns:
        float64 `B x k`, the weights, and float64 `B`, the intercepts.
    """
    batch, n, k = columns.shape
    design = torch.cat([columns, torch.ones_like(columns[..., :1])], dim=-1)
    y = positive.double().expand(batch, n)
    weight = weight.expand(batch, n)
    penalty = torch.ones(k + 1, dtype=torch.float64, device=columns.device)
    penalty[-1] = 0
    # Keeps the intercept's second derivative above 0 where every sample is certain.
    least = torch.full_like(penalty, 1e-12)
    beta = torch.zeros(batch, k + 1, dtype=torch.float64, device=columns.device)

    def loss(beta: torch.Tensor) -> torch.Tensor:
        scores = (design @ beta[..., None])[..., 0]
        each = torch.nn.functional.softplus(scores) - y * scores
        return C * (weight * each).sum(-1) + (penalty * beta * beta).sum(-1) / 2

    current = loss(beta)
    total = weight.sum(-1).max()
    for _ in range(STEPS):
        chance = torch.sigmoid((design @ beta[..., None])[..., 0])
        error = C * weight * (chance - y)
        gradient = (design.mT @ error[..., None])[..., 0] + penalty * beta
        if float(gradient.abs().max()) <= TOLERANCE * C * float(total):
            break
        curvature = C * weight * chance * (1 - chance)
        hessian = design.mT @ (curvature[..., None] * design)
        hessian = hessian + torch.diag(penalty + least)
        step = torch.linalg.solve(hessian, gradient[..., None])[..., 0]
        size = torch.ones(batch, 1, dtype=torch.float64, device=columns.device)
        for _ in range(HALVINGS):
            moved = loss(beta - size * step)
            worse = moved > current
            if not bool(worse.any()):
                break
            size = torch.where(worse[:, None], size / 2, size)
        better = loss(beta - size * step)
        improved = better < current
        beta = torch.where(improved[:, None], beta - size * step, beta)
        if not bool(improved.any()):
            break
        current = torch.where(improved, better, current)
    return beta[:, :-1], beta[:, -1]
