"""`python -m neuronwidgets`: open the workshop notebooks in JupyterLab."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

NOTEBOOKS = (
    "01_split_a_neuron.ipynb",
    "02_neurons_speak_in_ranges.ipynb",
    "03_engineering_monosemanticity.ipynb",
)
HOME = Path(__file__).parent


def notebook_source(name: str) -> Path:
    """A workshop notebook: in the installed package, or in the clone beside it."""
    for folder in (HOME / "notebooks", HOME.parent / "notebooks"):
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(f"{name} is not in this installation: install the package again.")


def copy_notebook(target: Path, name: str) -> tuple[Path, bool]:
    """Copy a notebook into `target` unless one of that name is there: `(path, whether copied)`."""
    path = target / name
    if path.exists():
        return path, False
    shutil.copyfile(notebook_source(name), path)
    return path, True


def lab_environment() -> dict[str, str]:
    """This environment, with defaults for a workshop: widget state is saved with the notebook, and
    JupyterLab does not ask for news. What the user has set for themselves wins."""
    paths = [str(HOME / "lab"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    return {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}


def main(arguments: list[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    own, rest = (words, [])
    if "--" in words:
        cut = words.index("--")
        own, rest = words[:cut], words[cut + 1 :]
    parser = argparse.ArgumentParser(
        prog="python -m neuronwidgets",
        description="Copy the workshop notebooks here (never over one that exists) and open one "
        "of them in JupyterLab. Anything after -- goes to JupyterLab.",
    )
    parser.add_argument(
        "number", nargs="?", type=int, default=1, choices=range(1, len(NOTEBOOKS) + 1),
        help="which one to open (1)",
    )  # fmt: skip
    parser.add_argument("--no-browser", action="store_true", help="start the server only")
    parser.add_argument("--port", type=int, help="the server's port")
    options = parser.parse_args(own)
    if importlib.util.find_spec("jupyterlab") is None:
        print(
            'JupyterLab is not installed here: pip install "neuronwidgets[lab]" (in a clone: '
            'pip install ".[lab]").',
            file=sys.stderr,
        )
        return 1
    for name in NOTEBOOKS:
        path, copied = copy_notebook(Path.cwd(), name)
        print(f"{path.name}: {'copied here' if copied else 'already here, left as it is'}")
    path = Path.cwd() / NOTEBOOKS[options.number - 1]
    # The address, printed and opened, is the notebook's own.
    command = [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{path.name}"]
    if getattr(os, "geteuid", lambda: 1)() == 0:
        # In a container one is root, and JupyterLab would refuse.
        command.append("--allow-root")
    if options.no_browser:
        command.append("--no-browser")
    if options.port is not None:
        command.append(f"--port={options.port}")
    try:
        return subprocess.call(command + rest, env=lab_environment())
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    raise SystemExit(main())
