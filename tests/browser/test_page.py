"""Pages written by `to_html`, served under the policies that servers have."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

import neuronwidgets as nw


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    rng = np.random.default_rng(0)
    values = rng.normal(0, 0.3, (200, 6)).astype("f4")
    kind = np.arange(200) % 2
    values[:, 0] += 4
    values[np.arange(200), 1 + kind] += 4
    images = rng.integers(0, 255, (200, 8, 8, 3)).astype("u1")
    made = nw.SplitExplorer(nw.Activations.from_arrays(values, images), 0)
    return made.to_html(tmp_path_factory.mktemp("page") / "a.html").read_bytes()


@pytest.fixture
def served(text: bytes) -> Iterator[Callable[[str | None], str]]:
    """Serves the page under a policy; gives its address."""
    policy: list[str | None] = [None]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            there = self.path == "/page"
            self.send_response(200 if there else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            if policy[0] is not None:
                self.send_header("Content-Security-Policy", policy[0])
            self.end_headers()
            self.wfile.write(text if there else b"")

        def log_message(self, *_about: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def at(wanted: str | None) -> str:
        policy[0] = wanted
        return f"http://127.0.0.1:{server.server_port}/page"

    yield at
    server.shutdown()
    thread.join()
    server.server_close()


INLINE = "script-src 'unsafe-inline'"


@pytest.mark.parametrize(
    "policy",
    [
        None,
        INLINE,
        "default-src 'self' 'unsafe-inline'; img-src data:",
        f"default-src 'none'; {INLINE}; img-src data:",  # no styles in the page, no blob:, no eval
    ],
)
def test_a_page_is_alive(lab: Any, served: Any, policy: str | None) -> None:
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(served(policy))
    cards = page.locator(".nw-card:not(.nw-own)")
    expect(cards).to_have_count(2)
    page.locator(".nw-slider input[type=range]").fill("1")
    expect(cards).to_have_count(1)
    # With its styles: the tree and the cards stand side by side.
    tree, card = page.locator(".nw-dendrogram").bounding_box(), cards.first.bounding_box()
    assert card["x"] > tree["x"] + tree["width"]
    expect(page.locator("#still")).to_have_count(0)
    expect(page.locator("body > p[role=alert]")).to_have_count(0)
    assert errors == []
    page.close()


def test_a_neuron_at_rest_has_nothing_to_split(lab: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(200, 6)).astype("f4")
    values[:, 1] = 0
    texts = [f"text {i}" for i in range(200)]
    made = nw.SplitExplorer(nw.Activations.from_arrays(values, texts), 1)
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(made.to_html(tmp_path / "a.html").as_uri())
    cards = page.locator(".nw-cards")
    expect(cards).to_contain_text("at rest on these samples: there is nothing to split")
    # No advice that cannot be followed, and no doubt about concepts that are not there.
    for words in ("Raise", "unassigned", "Do not trust"):
        expect(cards).not_to_contain_text(words)
    page.close()


def test_a_thousand_concepts_show_their_first_cards(lab: Any, tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2000, 6)).astype("f4")
    acts = nw.Activations.from_arrays(values, [f"text {i}" for i in range(2000)])
    made = nw.SplitExplorer(nw.split(acts, 0, top=1000, min_size=1))
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(made.to_html(tmp_path / "a.html").as_uri())
    page.locator(".nw-slider input[type=range]").fill("0")
    expect(page.locator(".nw-said")).to_contain_text("1,000 concepts at 0")
    cards, lines = page.locator(".nw-card:not(.nw-own)"), page.locator(".nw-places li")
    expect(cards).to_have_count(50)
    expect(lines).to_have_count(50)
    expect(page.locator(".nw-cards")).to_contain_text("950 more concepts")
    page.get_by_role("button", name="show 50 more").click()
    expect(cards).to_have_count(100)
    page.close()


def test_what_is_below_stays_while_the_cut_height_moves(lab: Any, served: Any) -> None:
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(served(None))
    slider = page.locator(".nw-slider input[type=range]")
    lines, tall = page.locator(".nw-places li"), []
    for place in ("1", "0.4", "0.2"):
        before = lines.count()
        slider.fill(place)
        expect(lines).not_to_have_count(before)
        tall.append((lines.count(), page.locator(".nw-frame").bounding_box()))
    assert tall[0][0] < tall[1][0] < tall[2][0]
    assert tall[0][1] == tall[1][1] == tall[2][1]
    # The lines of many concepts are within their place.
    places, last = page.locator(".nw-places").bounding_box(), lines.last.bounding_box()
    assert last["y"] + last["height"] <= places["y"] + places["height"] + 0.5
    page.close()


def test_captions_of_a_card_have_one_size(lab: Any, served: Any) -> None:
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(served(None))
    expect(page.locator("p.nw-caption").first).to_be_visible()
    sizes = page.locator(".nw-caption").evaluate_all(
        "all => [...new Set(all.map(one => getComputedStyle(one).fontSize))]"
    )
    assert sizes == ["12px"]
    page.close()


def test_a_page_on_a_telephone_cuts_no_control_off(lab: Any, served: Any) -> None:
    page = lab.browser.new_page(viewport={"width": 320, "height": 800})
    page.goto(served(None))
    frame = page.locator(".nw-frame").bounding_box()
    row = page.locator(".nw-tree > .nw-slider > *")
    expect(row).to_have_count(4)
    for part in row.all():
        box = part.bounding_box()
        assert frame["x"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
    page.close()


def test_pictures_that_are_forbidden_are_not_just_missing(
    lab: Any, served: Any, shots: Path
) -> None:
    page = lab.browser.new_page(viewport={"width": 1200, "height": 800})
    page.goto(served(f"default-src 'self'; {INLINE}; style-src 'unsafe-inline'"))
    expect(page.locator(".nw-card:not(.nw-own)")).to_have_count(2)
    said = page.locator("body > p[role=alert]")
    expect(said).to_have_text(
        "The server that sent this page forbids the pictures (its Content-Security-Policy, "
        "img-src)."
    )
    page.screenshot(path=shots / "page-without-pictures.png")
    page.close()


@pytest.mark.parametrize(
    "policy", ["script-src 'self'", "default-src 'none'", "sandbox", "off in the browser"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_whose_script_is_forbidden_says_so(
    lab: Any, served: Any, policy: str, scheme: str, shots: Path
) -> None:
    off = policy == "off in the browser"
    page = lab.browser.new_page(viewport={"width": 1200, "height": 500}, color_scheme=scheme,
                                java_script_enabled=not off)  # fmt: skip
    page.goto(served(None if off else policy))
    still = page.locator("#still")
    expect(still).to_be_visible()
    expect(still.locator("h1")).to_contain_text("SplitExplorer(neuron 0")
    expect(still).to_contain_text("Content-Security-Policy")
    expect(page.locator("noscript p")).to_have_count(int(off or policy == "sandbox"))
    page.screenshot(path=shots / f"page-{policy.split()[0]}-{scheme}.png")
    page.close()
