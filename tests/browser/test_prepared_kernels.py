"""Kernels that are forked behave as kernels that are started."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from tests.browser.server import CAN_FORK, WAIT, prepared_kernels

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="kernels are forked on Linux only")
SECONDS = WAIT / 1000


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with prepared_kernels(dict(os.environ)) as environment:
        yield Path(environment["JUPYTER_PATH"])


@pytest.fixture
def manager(folder: Path) -> Iterator[KernelManager]:
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(kernel_name="python3", kernel_spec_manager=specs)
    manager.start_kernel()
    yield manager
    manager.shutdown_kernel(now=True)


@pytest.fixture
def client(manager: KernelManager) -> Iterator[BlockingKernelClient]:
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(SECONDS)
    yield client
    client.stop_channels()


def said(client: BlockingKernelClient, code: str) -> str:
    """What code prints, or the name of the error in which it ends."""
    words: list[str] = []

    def hear(message: dict[str, dict[str, str]]) -> None:
        content = message["content"]
        words.append(content.get("text") or content.get("ename") or "")

    client.execute_interactive(code, timeout=SECONDS, output_hook=hear)
    return "".join(words).strip()


def test_what_tests_need_is_there(client: BlockingKernelClient) -> None:
    assert said(client, "import sys; print('torch' in sys.modules)") == "True"
    assert said(client, "import os; print(os.getcwd())") == os.getcwd()
    assert said(client, "print(sys.path[0])") != str(Path(__file__).parent)


def test_it_is_interrupted(manager: KernelManager, client: BlockingKernelClient) -> None:
    # An error aborts the requests that follow it closely, unless told otherwise.
    client.execute("print('begun', flush=True)\nwhile True: pass", stop_on_error=False)
    while client.get_iopub_msg(SECONDS)["content"].get("text") != "begun\n":
        pass
    manager.interrupt_kernel()
    assert client.get_shell_msg(SECONDS)["content"]["ename"] == "KeyboardInterrupt"
    assert said(client, "print('alive')") == "alive"


def test_a_crash_is_seen(manager: KernelManager, client: BlockingKernelClient) -> None:
    client.execute("import os; os.kill(os.getpid(), 9)")
    assert manager.provisioner is not None
    assert manager.provisioner.process.wait(SECONDS) == -9  # type: ignore[attr-defined]


def test_the_next_one_knows_nothing_of_it(client: BlockingKernelClient) -> None:
    assert said(client, "x = 1; import numpy as np; np.random.seed(3)") == ""
    assert said(client, "x") == ""


def test_who_asked_is_killed(manager: KernelManager, client: BlockingKernelClient) -> None:
    kernel = int(said(client, "import os; print(os.getpid())"))
    ended = os.pidfd_open(kernel)
    manager.shutdown_kernel(now=True)
    assert select.select([ended], [], [], SECONDS)[0]
    os.close(ended)
