"""A Jupyter server for the browser tests."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest


def release(package: str) -> tuple[int, ...]:
    """The first two numbers of a package's version."""
    return tuple(map(int, version(package).split(".")[:2]))


LAB_VERSION = release("jupyterlab")
CAN_FORK = hasattr(os, "pidfd_open")
WAIT = 90_000
"""Milliseconds after which something will not come, on a busy machine neither."""
UNUSED = (
    "@jupyterlab/application-extension:faviconbusy",
    "@jupyterlab/apputils-extension:kernel-status",
    "@jupyterlab/console-extension:kernel-status",
    "@jupyterlab/notebook-extension:execution-indicator",
    "@jupyterlab/notebook-extension:kernel-status",
)
"""Plugins of JupyterLab that show whether the kernel is busy. Each message to the kernel has them
draw twice and load the icon of the tab: half of what it costs."""


def without_unused(config: Path) -> None:
    """Have JupyterLab leave out what is `UNUSED`, by its folder of settings.

    Nor does it run Node.js for each page that loads, to see whether it should be built again.
    """
    (config / "labconfig").mkdir(parents=True)
    page = {"buildCheck": False, "disabledExtensions": dict.fromkeys(UNUSED, True)}
    (config / "labconfig" / "page_config.json").write_text(json.dumps(page))


@contextmanager
def serving(
    command: list[str], root: Path, environment: dict[str, str], base: str = ""
) -> Iterator[str]:
    """Run a command that starts a Jupyter server over the folder `root`: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log, url = root / "lab.log", f"http://127.0.0.1:{port}{base}"
    own = [
        "--no-browser", "--allow-root", f"--port={port}", "--IdentityProvider.token=",
        "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={root}",
        f"--ServerApp.base_url={base}/", "--expose-app-in-browser",
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(
            [*command, *own], stdout=out, stderr=out, env=environment, cwd=root
        )
        try:
            await_answer(f"{url}/api", server, log)
            yield url
        finally:
            server.terminate()
            server.wait(20)


@contextmanager
def prepared_kernels(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment in which Jupyter servers start prepared kernels, while this lasts.

    Only Linux has what forks them need; elsewhere kernels start as usual.
    """
    if not CAN_FORK:
        yield environment
        return
    script = str(Path(__file__).with_name("prepared_kernels.py"))
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(folder) / "socket")
        listening.bind(address)
        listening.listen()
        number = listening.fileno()
        preparing = subprocess.Popen(
            [sys.executable, script, str(number)], env=environment, pass_fds=[number]
        )
        # Where what forks has failed, a kernel is refused and does not wait.
        listening.close()
        spec = Path(folder) / "kernels" / "python3"
        spec.mkdir(parents=True)
        (spec / "kernel.json").write_text(
            json.dumps(
                {
                    "argv": [sys.executable, "-S", script, address, "{connection_file}"],
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                    "metadata": {"debugger": True},
                }
            )
        )
        try:
            yield {**environment, "JUPYTER_PATH": folder}
        finally:
            preparing.terminate()
            preparing.wait(20)


def await_answer(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            pass
        try:
            server.wait(0.05)
            break
        except subprocess.TimeoutExpired:
            pass
    pytest.fail(f"{server.args} did not start:\n{log.read_text()[-2000:]}")
