"""HTML that notebooks show."""

from __future__ import annotations

from neuronwidgets.display.html import table


def test_a_table_of_text_and_numbers() -> None:
    shown = table(("name", "n"), [("<b>a</b>", "1"), ("b", "2")], {0})
    left = "style='text-align:left' dir='auto'"
    assert shown == (
        f"<table><thead><tr><th {left}>name</th><th>n</th></tr></thead><tbody>"
        f"<tr><td {left}><b>a</b></td><td>1</td></tr><tr><td {left}>b</td><td>2</td></tr>"
        "</tbody></table>"
    )


def test_a_table_without_rows() -> None:
    assert table(["x"], []) == "<table><thead><tr><th>x</th></tr></thead><tbody></tbody></table>"
