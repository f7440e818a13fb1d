"""`python -m neuronwidgets`: open the workshop notebooks in JupyterLab."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

NOTEBOOKS = (
    "01_split_a_neuron.ipynb",
    "02_neurons_speak_in_ranges.ipynb",
    "03_engineering_monosemanticity.ipynb",
    "04_what_a_neuron_does.ipynb",
)
HOME = Path(__file__).parent


def notebook_source(name: str) -> Path:
    """Path of a workshop notebook, in the installed package or in the clone."""
    for folder in (HOME / "notebooks", HOME.parent / "notebooks"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is missing from this installation: reinstall the package.")


def copy_notebook(target: Path, name: str) -> tuple[Path, bool]:
    """Copy a notebook into `target` unless its name exists there: `(path, whether copied)`."""
    path = target / name
    if path.exists():
        return path, False
    shutil.copyfile(notebook_source(name), path)
    return path, True


def lab_environment() -> dict[str, str]:
    """The environment for JupyterLab, with the settings in `lab` as defaults.

    Widget state is saved with the notebook, and JupyterLab does not ask to show news. torch's
    threads give the processor away while they wait for one another: the browser needs it, too. The
    user's own settings take precedence.
    """
    paths = [str(HOME / "lab"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    config = {"JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}
    return {"OMP_WAIT_POLICY": "PASSIVE", **os.environ, **config}


def run(command: list[str], environment: dict[str, str]) -> int:
    """Run a server until it ends; return its exit status.

    Ctrl+C in a terminal reaches the server too, which asks whether to stop: wait for what it does.
    What ends this process only (SIGTERM, as of a container that stops) is passed on to it.
    """
    with subprocess.Popen(command, env=environment) as server:
        formerly_interrupted = signal.signal(signal.SIGINT, lambda *_: None)
        formerly_ended = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            return server.wait()
        finally:
            signal.signal(signal.SIGINT, formerly_interrupted)
            signal.signal(signal.SIGTERM, formerly_ended)


def main(arguments: list[str] | None = None) -> int:
    """Run the command with `arguments` (default: of the command line); return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    own, for_lab = (given, [])
    if "--" in given:
        separator = given.index("--")
        own, for_lab = given[:separator], given[separator + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m neuronwidgets",
        description="Copy the workshop notebooks into this folder (existing files stay) and open "
        "one of them in JupyterLab. Arguments after -- go to JupyterLab.",
    )
    parser.add_argument(
        "number", nargs="?", type=int, default=1, choices=range(1, len(NOTEBOOKS) + 1),
        help="the notebook to open (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--no-browser", action="store_true", help="start the server without opening a browser"
    )
    parser.add_argument("--port", type=int, help="the server's port")
    options = parser.parse_args(own)
    if importlib.util.find_spec("jupyterlab") is None:
        print(
            'JupyterLab is not installed: pip install "neuronwidgets[lab]" (in a clone: '
            'pip install ".[lab]").',
            file=sys.stderr,
        )
        return 1
    for name in NOTEBOOKS:
        path, copied = copy_notebook(Path.cwd(), name)
        print(f"{path.name}: {'copied here' if copied else 'already here, not copied'}")
    path = Path.cwd() / NOTEBOOKS[options.number - 1]
    # JupyterLab prints and opens the address of the notebook.
    command = [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{path.name}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        # JupyterLab refuses to run as root, the usual user in a container.
        command.append("--allow-root")
    if options.no_browser:
        command.append("--no-browser")
    if options.port is not None:
        command.append(f"--port={options.port}")
    return run(command + for_lab, lab_environment())


if __name__ == "__main__":
    raise SystemExit(main())
