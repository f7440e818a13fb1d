"""What a step of the drag costs, in Chromium: SplitExplorer, RangeExplorer.

    python benchmarks/drag.py

Opens the browser tests' largest explorers (a tree of 20,000 leaves; 14 labels of 20,000 samples)
in JupyterLab, moves the slider 100 times, and prints the script time of each step beside a frame
of 60 Hz. Run it with nothing else on the machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

FRAME = 1000 / 60


def main() -> int:
    command = [sys.executable, "-m", "pytest", "-n0", "-qs", "tests/browser", "-k", "drag_with"]
    home = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    lines = re.findall(r"script time per step: .* p95 ([\d.]+) ms.*", done.stdout)
    for line in re.findall(r"script time per step.*", done.stdout):
        print(line)
    if done.returncode or not lines:
        print(done.stdout[-3000:], file=sys.stderr)
        return 1
    worst = max(float(p95) for p95 in lines)
    print(f"worst p95: {worst / FRAME:.2f} of a frame of {FRAME:.1f} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
