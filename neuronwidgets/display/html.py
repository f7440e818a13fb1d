"""HTML that notebooks show for an object."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

_TEXT = " style='text-align:left' dir='auto'"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], text: Container[int] = ()) -> str:
    """A table.

    Args:
        head: the columns' titles, as HTML.
        rows: the cells of each row, as HTML.
        text: the indices of the columns that hold text. Text begins at the left, or at the right in
            scripts that do.
    """

    def row(tag: str, cells: Sequence[str]) -> str:
        inner = (f"<{tag}{_TEXT * (i in text)}>{cell}</{tag}>" for i, cell in enumerate(cells))
        return f"<tr>{''.join(inner)}</tr>"

    body = "".join(row("td", cells) for cells in rows)
    return f"<table><thead>{row('th', head)}</thead><tbody>{body}</tbody></table>"
