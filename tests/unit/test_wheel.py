"""The wheel puts the JupyterLab extension and the server's configuration where Jupyter looks.

The hook that builds the front end does not run here: it would download. Its files are those of the
last `npm run build`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import neuronwidgets as nw

ROOT = Path(__file__).parents[2]
PACKAGES = Path("lib", "site-packages")
LABEXTENSION = ROOT / "neuronwidgets" / "labextension"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, alone.

    Not by pip: with `--prefix` too, it removes the package that this environment has.
    """
    pytest.importorskip("hatchling", reason='pip install "neuronwidgets[test]" brings hatchling')
    assert LABEXTENSION.is_dir(), "the extension is not built: run npm run build in js/"
    folder = tmp_path_factory.mktemp("wheel")
    python, own = [sys.executable, "-m"], {**os.environ, "HATCH_BUILD_NO_HOOKS": "true"}
    build = [*python, "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, env=own, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    prefix = folder / "prefix"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(prefix / PACKAGES)
    (data,) = (prefix / PACKAGES).glob("*.data/data")
    shutil.copytree(data, prefix, dirs_exist_ok=True)
    shutil.rmtree(data.parent)
    return prefix


def jupyter(prefix: Path, *command: str) -> str:
    """What a command of Jupyter says where this prefix is the only one with extensions of ours."""
    own = {
        "JUPYTER_PATH": str(prefix / "share" / "jupyter"),
        # The list of server extensions does not read JUPYTER_CONFIG_PATH.
        "JUPYTER_CONFIG_DIR": str(prefix / "etc" / "jupyter"),
        "PYTHONPATH": os.pathsep.join([str(prefix / PACKAGES), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=prefix, env={**os.environ, **own}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr)  # without colours


@pytest.mark.slow
def test_the_files_are_where_jupyter_looks(prefix: Path) -> None:
    share = prefix / "share" / "jupyter"
    extension = share / "labextensions" / "neuronwidgets"
    about = json.loads((extension / "package.json").read_text("utf-8"))
    assert (about["name"], about["version"]) == ("neuronwidgets", nw.__version__)
    assert (extension / about["jupyterlab"]["_build"]["load"]).is_file()
    installed = json.loads((extension / "install.json").read_text("utf-8"))
    assert installed["packageName"] == "neuronwidgets"
    assert [*(extension / "schemas" / "neuronwidgets").glob("*.json")]
    assert (share / "lab" / "settings" / "overrides.d" / "neuronwidgets.json").is_file()
    servers = prefix / "etc" / "jupyter" / "jupyter_server_config.d"
    assert (servers / "neuronwidgets.json").read_text("utf-8") == (
        ROOT / "jupyter" / "server.json"
    ).read_text("utf-8")


@pytest.mark.slow
def test_the_extension_is_in_the_wheel_once(prefix: Path) -> None:
    copies = [p for p in prefix.rglob("remoteEntry*.js") if "neuronwidgets" in p.parts]
    assert len(copies) == 1


@pytest.mark.slow
def test_jupyterlab_lists_the_extension(prefix: Path) -> None:
    said = jupyter(prefix, "jupyterlab.labextensions", "list")
    (line,) = [line for line in said.splitlines() if " neuronwidgets v" in line]
    assert f"v{nw.__version__}" in line
    assert "enabled" in line
    assert "OK" in line
    assert str(prefix) in said


@pytest.mark.slow
def test_jupyter_server_lists_the_extension(prefix: Path) -> None:
    said = jupyter(prefix, "jupyter_server", "extension", "list")
    lines = [line.split() for line in said.splitlines() if "neuronwidgets.lab.server" in line]
    assert lines[0] == ["neuronwidgets.lab.server", "enabled"]
    assert lines[-1][0] == "neuronwidgets.lab.server"
    assert lines[-1][-1] == "OK"
