"""The extension of Jupyter Server, in a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_client.session import Session
from traitlets.config import Config
from websocket import create_connection

from neuronwidgets.lab import server as extension

SOON = 60.0
BASE = "/hub/user/ann/"
REPORTING = """
from tornado.websocket import WebSocketHandler
own = WebSocketHandler.set_nodelay
def set_nodelay(handler, value):
    own(handler, value)
    print(f"nodelay is {value}", flush=True)
WebSocketHandler.set_nodelay = set_nodelay
from jupyter_server.serverapp import main
main()
"""
"""A server that prints each time that a websocket's flag is set."""


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, Path]]:
    """A server with the extension, behind a base URL: its address, and its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    own = {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}
    command = [
        sys.executable, "-c", REPORTING, "--no-browser", "--allow-root", f"--port={port}",
        "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.base_url={BASE}", f"--ServerApp.root_dir={folder}",
        "--ServerApp.jpserver_extensions={'neuronwidgets.lab.server': True}", *options,
    ]  # fmt: skip
    with log.open("w") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **own})
        url = f"http://127.0.0.1:{port}{BASE}"
        try:
            while not answers(f"{url}api"):
                with suppress(subprocess.TimeoutExpired):
                    server.wait(0.05)
                assert server.poll() is None, log.read_text()
            yield url, log
        finally:
            server.terminate()
            server.wait(SOON)


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


def kernel_answers(url: str) -> None:
    """Start a kernel and have it answer one message over its websocket."""
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}api/kernels", b"{}", method="POST"), timeout=SOON
    ) as answer:
        kernel = json.load(answer)["id"]
    socket_url = f"{url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels?session_id=me"
    connection = create_connection(socket_url, timeout=SOON)
    request = Session(session="me").msg("kernel_info_request", {})
    connection.send(json.dumps({**request, "channel": "shell"}, default=str))
    while json.loads(connection.recv())["msg_type"] != "kernel_info_reply":
        pass
    connection.close()


@pytest.mark.slow
def test_each_kernels_websocket_sends_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as (url, log):
        kernel_answers(url)
        kernel_answers(url)
        said = log.read_text()  # before the kernels end: ipykernel may log an error of its own then
    assert said.count("nodelay is True") == 2
    # JupyterLab 4.2 logs one of its own where httpx is new.
    tracebacks = [part.split("\n[")[0] for part in said.split("Traceback")[1:]]
    assert not any("neuronwidgets" in part for part in tracebacks)


@pytest.mark.slow
def test_it_is_off_by_a_setting(tmp_path: Path) -> None:
    with served(tmp_path, "--NeuronWidgets.no_delay=False") as (url, log):
        kernel_answers(url)
    said = log.read_text()
    assert "nodelay is" not in said
    assert "neuronwidgets.lab.server | extension was successfully loaded" in said


def fake(**about: Any) -> Any:
    said: list[str] = []
    log = SimpleNamespace(debug=lambda text, **_: said.append(text))
    server = SimpleNamespace(config=Config(), log=log, said=said, **about)
    return server


def test_another_server_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "NeuronWidgets", lambda parent: SimpleNamespace(no_delay=True))
    without_routes = fake(web_app=SimpleNamespace(settings={}))
    extension._load_jupyter_server_extension(without_routes)
    assert len(without_routes.said) == 1
    # jupyter_server 1 had its handler elsewhere.
    monkeypatch.setitem(sys.modules, "jupyter_server.services.kernels.websocket", None)
    older = fake(web_app=SimpleNamespace(settings={"base_url": "/"}))
    extension._load_jupyter_server_extension(older)
    assert len(older.said) == 1


def test_the_servers_configuration_names_the_extension() -> None:
    path = Path(__file__).parents[3] / "jupyter" / "server.json"
    enabled = json.loads(path.read_text("utf-8"))["ServerApp"]["jpserver_extensions"]
    (point,) = extension._jupyter_server_extension_points()
    assert enabled == {point["module"]: True} == {extension.__name__: True}
