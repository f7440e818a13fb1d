"""Write the generated files of the protocol: `python -m neuronwidgets.widgets.protocol.generate`.

`tests/protocol/test_schema.py` fails where a file is not what this writes.
"""

from pathlib import Path

from neuronwidgets.widgets.protocol.reference import page
from neuronwidgets.widgets.protocol.typescript import typescript

ROOT = Path(__file__).parents[3]
"""The clone of the repository."""
SOURCES = Path("js/src/protocol")
"""Where the types in TypeScript are, in the repository."""


def generated() -> dict[Path, str]:
    """The text of each generated file, by its path in the repository."""
    front_end = {SOURCES / path: text for path, text in typescript().items()}
    return {**front_end, Path("docs/reference/protocol.md"): page()}


def main() -> None:
    """Write the files."""
    if not (ROOT / "js").is_dir():
        raise SystemExit(f"{ROOT} is not a clone of the repository: it has no folder js.")
    for path, text in generated().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
