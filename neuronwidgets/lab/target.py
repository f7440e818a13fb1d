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
        from neuronwidgets.widgets.base.turns import beside_cells

        if not shared:
            shared.append((Holdings(shell.user_ns, shell.user_ns_hidden), Explorers()))
        beside_cells(comm)
        Panel(comm, *shared[0])

    manager.register_target(TARGET, opened)
    manager.register_comm(create_comm(target_name=TARGET, primary=False))
