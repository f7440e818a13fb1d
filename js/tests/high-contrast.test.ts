/** In high contrast, grounds and shadows are gone: what is chosen has an outline. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

it.each([
  ["explorer/view.css", '.nw-tabs button[aria-selected="true"]'],
  ["live-probe/concepts.css", '.nw-concept[aria-pressed="true"]'],
  ["neuron-browser/forced-colors.css", '.nw-cut button[aria-pressed="true"]'],
  ["split-explorer/graph.css", ".nw-graph-node.nw-open"],
  ["toy-lab/forced-colors.css", '.nw-responses [aria-pressed="true"]'],
])("%s has one for %s", (file, chosen) => {
  const css = readFileSync(join(__dirname, "../src/widgets", file), "utf8");
  const [, forced] = css.split("@media (forced-colors: active)");
  const rule = forced.slice(forced.indexOf(chosen));
  expect(forced).toContain(chosen);
  expect(rule.slice(0, rule.indexOf("}"))).toContain("outline: 2px solid Highlight");
});

it("the focus is seen on a card that was answered", () => {
  const css = readFileSync(join(__dirname, "../src/widgets/intruder-test/cards.css"), "utf8");
  const marks = css.match(/[^{}]*\{\s*outline: \dpx (solid|dashed)[^{}]*\}/g) ?? [];
  expect(marks).toHaveLength(2);
  for (const mark of marks) expect(mark).toContain(":not(:focus-visible)");
});
