"""Kernels that have imported what the tests need before they are asked for.

To import torch and the rest costs a new kernel a second and a half of a core, and the browser
tests start fifty. So one process imports them once, and forks each kernel:

    python prepared_kernels.py NUMBER                     what forks; the file of its socket
    python prepared_kernels.py ADDRESS CONNECTION_FILE    in the place of a kernel, what asks it

What asks hands its signals on, and lives as long as the kernel.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from typing import Any


def ask(address: str, connection_file: str) -> None:
    """Ask for a kernel, hand signals on to it, and end as it does."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        order = {"file": connection_file, "folder": os.getcwd(), "environment": dict(os.environ)}
        socket.send_fds(line, [json.dumps(order).encode() + b"\n"], [1, 2])
        reading = line.makefile()
        kernel = int(reading.readline())

        def hand_on(number: int, _: Any) -> None:
            with suppress(ProcessLookupError):
                os.kill(kernel, number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, hand_on)
        status = int(reading.readline())
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


def prepare(number: str) -> None:
    """Import, then fork a kernel for whoever asks, until this process is ended."""
    del sys.path[0]
    import gc
    import selectors

    # Not what looks for a kernel when it is imported: ipywidgets, so tqdm and transformers.
    import ipykernel.kernelapp
    import pandas  # noqa: F401
    import scipy.cluster.hierarchy
    import scipy.stats  # noqa: F401
    import torch  # noqa: F401

    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(number)) as listening, selectors.DefaultSelector() as events:
        events.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in events.select():
                if key.fileobj is listening:
                    line, _ = listening.accept()
                    if kernel := fork(line):
                        ended = os.pidfd_open(kernel)
                        events.register(line, selectors.EVENT_READ, (kernel, line, ended))
                        events.register(ended, selectors.EVENT_READ, (kernel, line, ended))
                        continue
                    listening.close()
                    events.close()
                    ipykernel.kernelapp.launch_new_instance()
                    sys.exit()
                kernel, line, ended = key.data
                # Else what asked has been killed.
                if key.fileobj is line:
                    os.kill(kernel, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(kernel, 0)[1])
                with suppress(BrokenPipeError):
                    line.sendall(f"{status}\n".encode())
                for each in (line, ended):
                    events.unregister(each)
                line.close()
                os.close(ended)


def fork(line: socket.socket) -> int:
    """The kernel that a new line asks for; 0 in the kernel itself."""
    message, files, _, _ = socket.recv_fds(line, 1 << 20, 2)
    while not message.endswith(b"\n"):
        message += line.recv(1 << 20)
    order = json.loads(message)
    kernel = os.fork()
    if kernel:
        line.sendall(f"{kernel}\n".encode())
        for file in files:
            os.close(file)
        return kernel
    os.setsid()
    line.close()
    for number, file in enumerate(files, 1):
        os.dup2(file, number)
        os.close(file)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    # It ends when its parent does.
    sys.argv[1:] = ["-f", order["file"], f"--IPKernelApp.parent_handle={os.getppid()}"]
    return 0


if __name__ == "__main__":
    prepare(*sys.argv[1:]) if len(sys.argv) == 2 else ask(*sys.argv[1:])
