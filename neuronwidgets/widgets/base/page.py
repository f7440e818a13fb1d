"""A widget as one HTML file: its front end, its state, no kernel and no network."""

from __future__ import annotations

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

# Everything is inline, and nothing is made of text: many servers forbid blob:, eval and styles in
# pages. Where they forbid inline scripts too, what stands in the widget's place stays.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
#still {{ max-width: 40em; font: 15px/1.5 system-ui, sans-serif; animation: late 0s 1s both; }}
@keyframes late {{ from {{ visibility: hidden; }} }}
</style>
</head>
<body>
<div id="widget"><div id="still">
<h1>{title}</h1>
<p>This page holds an interactive view, and its script has not run, so there is nothing to see
yet.</p>
<noscript><p>Scripts are switched off here: switch them on and load the page again.</p></noscript>
<p>If scripts are on, the server that sent this page forbids scripts inside of pages (its
Content-Security-Policy has <code>script-src</code> without <code>'unsafe-inline'</code>). Save the
file and open it from your disk, or ask whoever runs the server to allow it for this page.</p>
</div></div>
<script type="application/json" id="state">{state}</script>
<script type="application/json" id="style">{css}</script>
<script type="module">
{front}
</script>
<script type="module">
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const el = document.getElementById("widget");
const still = document.getElementById("still");
const said = new Set();
const say = (text) => {{
  if (said.has(text)) return;
  said.add(text);
  const line = document.createElement("p");
  line.setAttribute("role", "alert");
  line.textContent = text;
  document.body.prepend(line);
}};
document.addEventListener("securitypolicyviolation", ({{ effectiveDirective: what }}) => {{
  const part = what.startsWith("img") ? "the pictures" : "a part of this page";
  say(`The server that sent this page forbids ${{part}} (its Content-Security-Policy, ${{what}}).`);
}});
const style = new CSSStyleSheet();
style.replaceSync(read("style"));
document.adoptedStyleSheets = [style];
const state = Object.fromEntries(
  Object.entries(read("state")).map(([key, [kind, value]]) => [key, kind ? bytes(value) : value]),
);
const listeners = {{}};
const told = (event) => (listeners[event] ??= new Set());
const model = {{
  get: (name) => state[name],
  set(name, value) {{
    state[name] = value;
    for (const event of [`change:${{name}}`, "change"])
      for (const listener of told(event)) listener();
  }},
  save_changes() {{}},
  send() {{
    throw new Error("This page has no kernel.");
  }},
  on: (event, listener) => told(event).add(listener),
  off: (event, listener) => told(event).delete(listener),
}};
still.remove();
try {{
  globalThis.neuronwidgets.render({{ model, el }});
}} catch (error) {{
  say(`This view cannot be shown here: ${{error}}`);
  throw error;
}}
</script>
</body>
</html>
"""
_STYLE = """body { margin: 16px; }
body > p[role=alert] { font: 14px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { body { background: #111418; color: #e8eaed; } }
"""
_EXPORT = re.compile(r"export\s*\{\s*(\S+) as default\s*\};?\s*$")


def page(state: dict[str, Any], esm: str, css: str, title: str) -> str:
    """The page of a widget whose traits are `state` (JSON values and bytes).

    `esm` is the text of a module of which a default export, at its end, is the only link to
    others.
    """
    plain = {
        key: (1, base64.b64encode(value).decode()) if isinstance(value, bytes) else (0, value)
        for key, value in state.items()
    }
    return _PAGE.format(
        title=html.escape(title), css=_inert(_STYLE + css), state=_inert(plain),
        front=_script(esm),
    )  # fmt: skip


def _script(esm: str) -> str:
    """A module as an inline script, which can export nothing: it leaves its widget where the page
    finds it."""
    inline, count = _EXPORT.subn(r"globalThis.neuronwidgets = \1;", esm)
    if not count:
        raise ValueError("the front end ends without a default export: rebuild it in js/.")
    # Outside of strings, comments and patterns neither can stand in a script.
    return re.sub("</(?=script)", r"<\\/", inline, flags=re.I).replace("<!--", r"<\!--")


def _inert(value: Any) -> str:
    """JSON that cannot end the script it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")


def write(path: str | Path, text: str) -> Path:
    """Write a page; returns its path, with `.html` added where there is no ending."""
    target = Path(path)
    target = target if target.suffix else target.with_suffix(".html")
    target.write_text(text, "utf-8")
    return target
