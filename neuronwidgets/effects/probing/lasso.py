"""Logistic regression with an L1 penalty: a path of strengths, several labels at once."""

from __future__ import annotations

import torch

STEPS = 5000
"""Proximal steps for one strength at most."""
TOLERANCE = 1e-6
"""Largest violation of the optimality conditions of a solution, where the penalty is 1."""
CHECKED = 10
"""Steps between two checks of the optimality conditions."""
ROUNDS = 30
"""Additions of columns that a fit had left out wrongly, at most."""


class Lasso:
    """Minimises `|w|_1 + C sum_i weight_i log(1 + exp(-y_i (x_i w + b)))` for `B` labels.

    The objective is that of scikit-learn's `LogisticRegression(penalty="l1", solver="saga")`; the
    intercept is not penalised. Accelerated proximal gradient steps (Beck and Teboulle 2009) with a
    restart where the objective's slope turns (O'Donoghue and Candes 2015), on the columns that the
    strong rule keeps (Tibshirani et al. 2012); a column that was left out wrongly is put back.
    Each fit begins at the one before it.

    Args:
        columns: `n x D`.
        positive: bool `B x n`.
        weight: float64 `B x n`.
        tolerance: largest violation of the optimality conditions, where the penalty is 1.
    """

    def __init__(
        self,
        columns: torch.Tensor,
        positive: torch.Tensor,
        weight: torch.Tensor,
        tolerance: float = TOLERANCE,
    ) -> None:
        self._columns, self._tolerance = columns, tolerance
        self._label = positive.double().T
        self._weight = weight.double().T
        batch, width = positive.shape[0], columns.shape[1]
        device = columns.device
        self.weights = torch.zeros(width, batch, dtype=torch.float64, device=device)
        share = (self._weight * self._label).sum(0) / self._weight.sum(0)
        self.intercepts = torch.logit(share)
        self._C: float | None = None
        self._slope = self._gradient(self._scores())

    @property
    def smallest(self) -> float:
        """The largest `C` at which every weight of every label is 0."""
        share = (self._weight * self._label).sum(0) / self._weight.sum(0)
        error = self._weight * (share - self._label)
        largest = float((self._columns.T.double() @ error).abs().max())
        return 1 / largest if largest > 0 else 1.0

    def fit(self, C: float) -> tuple[torch.Tensor, torch.Tensor]:
        """float64 `B x D`, the weights, and float64 `B`, the intercepts."""
        before = self._C if self._C is not None and self._C < C else min(C, self.smallest)
        # The gradient of the loss, times C, moves by at most 1 per unit of 1 / C.
        kept = (self._slope.abs() * C >= 2 - C / before).any(1) | (self.weights != 0).any(1)
        for _ in range(ROUNDS):
            index = kept.nonzero().flatten()
            self._solve(index, C)
            self._slope = self._gradient(self._scores())
            missed = (self._slope.abs() * C > 1 + self._tolerance).any(1) & ~kept
            if not bool(missed.any()):
                break
            kept |= missed
        self._C = C
        return self.weights.T.clone(), self.intercepts.clone()

    def _scores(self) -> torch.Tensor:
        used = (self.weights != 0).any(1).nonzero().flatten()
        return self._columns[:, used].double() @ self.weights[used] + self.intercepts

    def _gradient(self, scores: torch.Tensor) -> torch.Tensor:
        error = self._weight * (torch.sigmoid(scores) - self._label)
        return self._columns.T.double() @ error

    def _solve(self, index: torch.Tensor, C: float) -> None:
        """Fit the columns at `index`, and the intercepts."""
        ones = torch.ones_like(self._label[:, :1])
        design = torch.cat([self._columns[:, index].double(), ones], dim=1)
        beta = torch.cat([self.weights[index], self.intercepts[None]])
        penalty = torch.ones(len(beta), 1, dtype=torch.float64, device=beta.device)
        penalty[-1] = 0
        norm = torch.linalg.matrix_norm(design, 2) ** 2
        rate = 1 / (C * 0.25 * float(norm) * float(self._weight.max()))

        def gradient(at: torch.Tensor) -> torch.Tensor:
            error = self._weight * (torch.sigmoid(design @ at) - self._label)
            return C * (design.T @ error)

        ahead, momentum = beta, torch.ones_like(beta[:1])
        for step in range(STEPS):
            moved = ahead - rate * gradient(ahead)
            moved = moved.sign() * (moved.abs() - rate * penalty).clamp(min=0)
            turned = ((ahead - moved) * (moved - beta)).sum(0, keepdim=True) > 0
            momentum = torch.where(turned, torch.ones_like(momentum), momentum)
            faster = (1 + (1 + 4 * momentum**2).sqrt()) / 2
            push = torch.where(turned, torch.zeros_like(momentum), (momentum - 1) / faster)
            ahead, beta, momentum = moved + push * (moved - beta), moved, faster
            if step % CHECKED == CHECKED - 1 and self._done(beta, gradient(beta)):
                break
        self.weights[index] = beta[:-1]
        self.intercepts = beta[-1]

    def _done(self, beta: torch.Tensor, gradient: torch.Tensor) -> bool:
        return _violation(beta, gradient) <= self._tolerance


def _violation(beta: torch.Tensor, gradient: torch.Tensor) -> float:
    """How far the fit is from the optimality conditions; the penalty is 1."""
    weights, slope = beta[:-1], gradient[:-1]
    at_zero = (slope.abs() - 1).clamp(min=0)
    elsewhere = (slope + weights.sign()).abs()
    worst = torch.where(weights == 0, at_zero, elsewhere)
    largest = float(gradient[-1].abs().max())
    return max(largest, float(worst.max())) if len(worst) else largest
