"""Makes a kernel known to JupyterLab's panel, when `neuronwidgets` is imported in it."""

from __future__ import annotations

import logging
from typing import Any


def register() -> None:
    """Register the comm target, if Python runs in a kernel. Never raises.

    It also lists one comm that sends nothing: a page asks any kernel for its comms of this target
    and opens its own only where there is one, because a kernel that does not know a target logs an
    error.
    """
    try:
        from IPython import get_ipython

        shell = get_ipython()
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            _register(shell, kernel)
    except Exception:
        logging.getLogger("neuronwidgets").debug(
            "JupyterLab's panel cannot follow this kernel", exc_info=True
        )


def _register(shell: Any, kernel: Any) -> None:
    from comm import create_comm, get_comm_manager

    from neuronwidgets.widgets.protocol.lab import TARGET

    manager = get_comm_manager()
    if TARGET in manager.targets:
        return
    shared: list[tuple[Any, Any]] = []

    def opened(comm: Any, _message: Any) -> None:
        """A page has opened a comm."""
        # Imported here: only a page with the panel needs it.
        from neuronwidgets.lab.holdings import Holdings
        from neuronwidgets.lab.panel import Explorers, Panel

        if not shared:
            shared.append((Holdings(shell.user_ns, shell.user_ns_hidden), Explorers()))
        Panel(comm, *shared[0], sender(comm, kernel))

    manager.register_target(TARGET, opened)
    manager.register_comm(create_comm(target_name=TARGET, primary=False))


def sender(comm: Any, kernel: Any) -> Any:
    """A function that sends a JSON message on `comm`, as the answer to no message.

    `comm.send` answers the last message that the kernel has received, and ipykernel 7.4 sends what
    the page says next to the subshell of that one: to the main one, behind the running cell.
    """
    session, socket = getattr(kernel, "session", None), getattr(kernel, "iopub_socket", None)
    if session is None or socket is None:
        return comm.send

    def send(data: Any) -> None:
        content = {"comm_id": comm.comm_id, "data": data}
        session.send(kernel.iopub_socket, "comm_msg", content, ident=comm.topic)

    return send
