"""`python -m neuronwidgets`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neuronwidgets import __main__ as launcher


@pytest.fixture
def calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> list[tuple[list[str], dict[str, str]]]:
    """What would have been run, in an empty working directory."""
    made: list[tuple[list[str], dict[str, str]]] = []

    def run(command: list[str], environment: dict[str, str]) -> int:
        made.append((command, environment))
        return 0

    monkeypatch.setattr(launcher, "run", run)
    monkeypatch.chdir(tmp_path)
    return made


def test_copies_the_notebook_and_opens_it(
    calls: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert launcher.main([]) == 0
    copy = Path(launcher.NOTEBOOKS[0])
    assert json.loads(copy.read_text("utf-8"))["nbformat"] == 4
    command, env = calls[0]
    address = f"--LabApp.default_url=/lab/tree/{copy.name}"
    assert [c for c in command if c != "--allow-root"] == [
        sys.executable, "-m", "jupyterlab", address,
    ]  # fmt: skip
    assert "copied here" in capsys.readouterr().out
    config = Path(env["JUPYTER_CONFIG_PATH"].split(":")[0])
    settings = json.loads((config / "labconfig" / "default_setting_overrides.json").read_text())
    assert settings["@jupyter-widgets/jupyterlab-manager:plugin"] == {"saveState": True}


@pytest.mark.parametrize("user", [0, 1000])
def test_root_in_a_container_is_let_in(
    calls: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    launcher.main([])
    assert ("--allow-root" in calls[0][0]) == (user == 0)


@pytest.mark.parametrize("own", [None, "ACTIVE"])
def test_threads_leave_the_processor_to_the_browser(
    calls: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if own is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", own)
    assert launcher.main([]) == 0
    assert calls[0][1]["OMP_WAIT_POLICY"] == (own or "PASSIVE")


def test_never_overwrites(
    calls: list[tuple[list[str], dict[str, str]]], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(launcher.NOTEBOOKS[0]).write_text("mine")
    assert launcher.main(["--no-browser", "--port", "9999"]) == 0
    assert Path(launcher.NOTEBOOKS[0]).read_text() == "mine"
    assert calls[0][0][-2:] == ["--no-browser", "--port=9999"]
    assert "already here" in capsys.readouterr().out


def test_every_notebook_is_copied_and_any_can_be_opened(
    calls: list[tuple[list[str], dict[str, str]]],
) -> None:
    assert launcher.main(["2"]) == 0
    assert all(Path(name).exists() for name in launcher.NOTEBOOKS)
    assert any(word.endswith(launcher.NOTEBOOKS[1]) for word in calls[0][0])
    with pytest.raises(SystemExit):
        launcher.main(["9"])


def test_the_rest_goes_to_jupyterlab(calls: list[tuple[list[str], dict[str, str]]]) -> None:
    launcher.main(["--no-browser", "--", "--ServerApp.token=x", "--debug"])
    assert calls[0][0][-3:] == ["--no-browser", "--ServerApp.token=x", "--debug"]


def test_unknown_options_are_refused(calls: list[tuple[list[str], dict[str, str]]]) -> None:
    with pytest.raises(SystemExit):
        launcher.main(["--prot", "1"])
    assert calls == []


def test_without_jupyterlab_it_says_so(
    calls: list[tuple[list[str], dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(launcher.importlib.util, "find_spec", lambda _name: None)
    assert launcher.main([]) == 1
    assert "pip install" in capsys.readouterr().err
    assert calls == []


SERVER = """
import signal, sys
asked = []
def interrupt(*_):
    asked.append(1)
    print("asked", flush=True)
    if len(asked) > 1: sys.exit(3)
def end(*_):
    print("ended", flush=True)
    sys.exit(4)
signal.signal(signal.SIGINT, interrupt)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True: signal.pause()
"""
"""As Jupyter Server: ends at SIGTERM, and at the second Ctrl+C, since at the first it asks."""


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize("way", ["terminated", "interrupted"])
def test_the_server_ends_as_it_would_alone(way: str) -> None:
    code = (
        "import os, sys; from neuronwidgets.__main__ import run;"
        f"sys.exit(run([sys.executable, '-c', {SERVER!r}], dict(os.environ)))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as launched:
        assert launched.stdout is not None
        said = launched.stdout
        assert said.readline() == "up\n"
        if way == "terminated":
            launched.terminate()
            # The pipe ends when nobody is left who could write to it.
            assert said.read() == "ended\n"
        else:
            for _ in range(2):
                os.killpg(launched.pid, signal.SIGINT)
                assert said.readline() == "asked\n"
        assert launched.wait(30) == (4 if way == "terminated" else 3)
