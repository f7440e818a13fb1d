"""`RouteTracker`: which ways from a layer to the output are linear, and what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from neuronwidgets.effects.readout import Traced, traced
from neuronwidgets.effects.route import Route

D, N = 6, 4
Build = Callable[["Net", torch.Tensor], torch.Tensor]


class Net(nn.Module):
    """`first`, then any function of its output."""

    def __init__(self, build: Build) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(3, D)
        self.head, self.other = nn.Linear(D, N), nn.Linear(D, N)
        self.down, self.up = nn.Linear(D, 2, bias=False), nn.Linear(2, N, bias=False)
        self.gain = nn.Parameter(torch.randn(D))
        self.shift = nn.Parameter(torch.randn(D))
        self.norm = nn.LayerNorm(D)
        self.build = build
        self.double().eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.build(self, self.first(x))


def in_place(net: Net, x: torch.Tensor) -> torch.Tensor:
    total = torch.ones_like(x)
    total += x
    total.mul_(3)
    return net.head(total)


LINEAR: dict[str, Build] = {
    "head": lambda net, x: net.head(x),
    "residual": lambda net, x: net.head(x + torch.tanh(x)),
    "two branches": lambda net, x: net.head(x) + net.up(net.down(x)),
    "doubled": lambda net, x: net.head(x + x),
    "subtracted": lambda net, x: net.head(torch.relu(x) - x),
    "in place": in_place,
    "gain and shift": lambda net, x: net.head(x * (1 + net.gain) + net.shift),
    "divided": lambda net, x: net.head(x / net.gain / 2),
    "transposed": lambda net, x: (x.unsqueeze(1).transpose(1, 2).transpose(2, 1) @ net.head.weight.T
                                  ).squeeze(1),
    "raw matrix": lambda net, x: torch.addmm(net.head.bias, x, net.head.weight.T),
    "float": lambda net, x: net.head(x.float().double()),
}  # fmt: skip
NOT_LINEAR: dict[str, Build] = {
    "relu": lambda net, x: net.head(torch.relu(x)),
    "gate": lambda net, x: net.head(x * torch.sigmoid(net.gain * x)),
    "square": lambda net, x: net.head(x * x),
    "map after a cap": lambda net, x: net.head(torch.tanh(x)),
    "matrix of the data": lambda net, x: x @ (x.T @ x)[:, :N],
    "part of the neurons": lambda net, x: net.head(torch.cat([x[:, :3], x[:, :3]], 1)),
    "constant": lambda net, x: net.head(torch.ones_like(x)),
}


def followed(build: Build, rows: int = 5) -> Traced:
    net = Net(build)
    x = torch.randn(rows, 3, dtype=torch.float64)
    return traced(net, "first", "output", x, rows)


def route_of(found: Traced) -> Route:
    assert found.route is not None
    return found.route


@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_way_is_the_models_own_jacobian(name: str) -> None:
    net = Net(LINEAR[name])
    route = route_of(followed(LINEAR[name]))
    changes = torch.randn(3, D, dtype=torch.float64)
    where = torch.zeros(3, D, dtype=torch.float64)
    expected: Any = net.build(net, where + changes) - net.build(net, where)
    if name in ("residual", "subtracted"):
        bent = torch.tanh if name == "residual" else torch.relu
        expected = expected - bent(changes) @ net.head.weight.T
    torch.testing.assert_close(route.linear(changes), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_no_way_leads_through_anything_else(name: str) -> None:
    assert followed(NOT_LINEAR[name]).route is None


def test_a_norm_holds_its_scale() -> None:
    route = route_of(followed(lambda net, x: net.head(net.norm(x) * 2)))
    assert route.norms == 1
    net = Net(lambda net, x: x)
    changes = torch.randn(3, D, dtype=torch.float64)
    centred = changes - changes.mean(1, keepdim=True)
    torch.testing.assert_close(
        route.linear(changes), 2 * (centred * net.norm.weight) @ net.head.weight.T
    )


def test_a_soft_cap_at_the_end_keeps_the_order() -> None:
    route = route_of(followed(lambda net, x: 30 * torch.tanh(net.head(x) / 30)))
    assert route.capped
    changes = torch.randn(3, D, dtype=torch.float64)
    weight = Net(lambda net, x: x).head.weight
    torch.testing.assert_close(route.linear(changes), changes @ weight.T)


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(1, D, 3)
        self.norm, self.point = nn.BatchNorm2d(D), nn.Conv2d(D, 5, 1)
        self.head = nn.Linear(5, N)
        for tensor in (self.norm.running_mean, self.norm.running_var, self.norm.weight.data):
            tensor.uniform_(0.5, 2)
        self.double().eval()

    def after(self, maps: torch.Tensor) -> torch.Tensor:
        maps = self.point(self.norm(maps))
        pooled: torch.Tensor = self.head(maps.mean((2, 3)) + maps.flatten(2).mean(2))
        return pooled

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.first(x))


def test_channels_go_through_batch_norm_small_kernels_and_means() -> None:
    net = Images()
    found = traced(net, "first", "output", torch.randn(3, 1, 9, 9, dtype=torch.float64), 3)
    route = route_of(found)
    assert route.pooled
    changes = torch.randn(2, D, dtype=torch.float64)
    maps = torch.zeros(2, D, 7, 7, dtype=torch.float64)
    expected = net.after(maps + changes[..., None, None]) - net.after(maps)
    torch.testing.assert_close(route.linear(changes), expected)


def test_the_pass_itself_is_not_changed() -> None:
    for build in (*LINEAR.values(), *NOT_LINEAR.values()):
        net = Net(build)
        x = torch.randn(5, 3, dtype=torch.float64)
        torch.testing.assert_close(traced(net, "first", "output", x, 5).logits, net(x))


def test_a_model_without_logits_is_refused() -> None:
    with pytest.raises(ValueError, match="must be logits, samples x classes or texts"):
        followed(lambda net, x: x.sum())
    found = followed(lambda net, x: net.head(x))
    head = found.head()
    assert head is not None
    assert head[0] == "head"
    assert found.block_end() is None
