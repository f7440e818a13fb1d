"""Runs `main()` of every module of this folder: `python -m benchmarks.effects [NAME ...] [--full]`.

All take 3 minutes on 2 free cores (docs/benchmarks/causal.md). With `--full`, those that have more
to show take longer.
"""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import signature
from pathlib import Path

FULL = "--full"
names = [name for name in sys.argv[1:] if name != FULL]

for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.stem != "__main__" and (not names or path.stem in names):
        print(f"\n## {path.stem}\n", flush=True)
        main = import_module(f"benchmarks.effects.{path.stem}").main
        main(*([[FULL]] if FULL in sys.argv and signature(main).parameters else []))
