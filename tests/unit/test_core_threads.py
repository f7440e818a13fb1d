"""Threads are stopped and waited for when Python ends."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from neuronwidgets.core import threads
from neuronwidgets.core.threads import end_at_exit


class Owner:
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls
        end_at_exit(self, Owner.stop, lambda owner: owner.calls.append(f"wait {owner.name}"))

    def stop(self) -> None:
        self.calls.append(f"stop {self.name}")


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_owners", weakref.WeakKeyDictionary())


def test_all_are_stopped_before_the_first_is_waited_for() -> None:
    calls: list[str] = []
    owners = [Owner(name, calls) for name in "ab"]
    threads._end_all()
    assert sorted(calls[:2]) == ["stop a", "stop b"]
    assert sorted(calls[2:]) == ["wait a", "wait b"]
    del owners


def test_an_owner_that_is_gone_is_not_kept() -> None:
    calls: list[str] = []
    gone = weakref.ref(Owner("a", calls))
    gc.collect()
    assert gone() is None
    threads._end_all()
    assert calls == []


SCRIPT = """
import threading
from neuronwidgets.core.threads import end_at_exit

class Worker:
    def __init__(self):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        end_at_exit(self, lambda w: w.over.set(), lambda w: w.thread.join(30))
        self.thread.start()

    def work(self):
        self.over.wait()
        print("ended", flush=True)

worker = Worker()
"""


def test_python_waits_for_a_thread_when_it_ends() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout == "ended\n"
    assert ran.stderr == ""
