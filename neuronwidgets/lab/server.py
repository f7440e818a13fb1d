"""An extension of Jupyter Server: kernels' websockets send small messages at once.

Jupyter Server leaves Nagle's algorithm on. A small message then waits until the browser has
acknowledged the one before, which browsers delay by up to 40 ms. See
docs/decisions/0066-no-delay.md.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from traitlets import Bool
from traitlets.config import Configurable


class NeuronWidgets(Configurable):
    """The settings of this extension, for example in `jupyter_server_config.py`."""

    no_delay = Bool(
        True, help="Whether kernels' websockets send each message at once (TCP_NODELAY)."
    ).tag(config=True)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "neuronwidgets.lab.server"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Set TCP_NODELAY on every kernel's websocket. Does nothing where it cannot, without a word."""
    if not NeuronWidgets(parent=server).no_delay:
        return
    try:
        _send_at_once(server)
    except Exception:
        server.log.debug("neuronwidgets: kernels' websockets stay as they are", exc_info=True)


def _send_at_once(server: Any) -> None:
    from jupyter_server.services.kernels.handlers import default_handlers
    from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
    from jupyter_server.utils import url_path_join

    class SendsAtOnce(KernelWebsocketHandler):
        """The server's own handler, without Nagle's algorithm."""

        def open(self, *args: Any, **kwargs: Any) -> Any:
            # A socket that is not TCP has no such algorithm.
            with suppress(Exception):
                self.set_nodelay(True)
            return super().open(*args, **kwargs)

    base_url = server.web_app.settings["base_url"]
    routes = [
        (url_path_join(base_url, pattern), SendsAtOnce)
        for pattern, handler, *_ in default_handlers
        if handler is KernelWebsocketHandler
    ]
    # They come before the server's own.
    server.web_app.add_handlers(".*$", routes)
