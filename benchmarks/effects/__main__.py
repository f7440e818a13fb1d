"""Runs `main()` of every module of this folder: `python -m benchmarks.effects [NAME ...]`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.stem != "__main__" and (not sys.argv[1:] or path.stem in sys.argv[1:]):
        print(f"\n## {path.stem}\n", flush=True)
        import_module(f"benchmarks.effects.{path.stem}").main()
