/** Widgets share a page, so no stylesheet of one may reach the elements of another. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = join(__dirname, "../src");
const WIDGETS = [
  "split-explorer",
  "range-explorer",
  "toy-lab",
  "live-probe",
  "neuron-browser",
  "intruder-test",
];

const textOf = (folder: string, ending: RegExp) =>
  readdirSync(join(SOURCE, folder))
    .filter((name) => ending.test(name))
    .map((name) => readFileSync(join(SOURCE, folder, name), "utf8"))
    .join("\n");
const classesOf = (text: string) => new Set(text.match(/nw-[\w-]+/g));

/** The selectors of a stylesheet, one by one. */
function selectorsOf(css: string): string[] {
  const rules = css.replace(/\/\*[\s\S]*?\*\//g, "").matchAll(/([^{}]+)\{/g);
  return [...rules]
    .map(([, selector]) => selector)
    .filter((selector) => !selector.includes("@"))
    .flatMap((selector) => selector.split(/,(?![^(]*\))/));
}

/** Selectors of which another widget, or a part that all share, has every class. */
function reaching(css: string, foreign: Set<string>): string[] {
  return selectorsOf(css).filter((selector) => {
    const classes = [...selector.matchAll(/\.(nw-[\w-]+)/g)].map(([, name]) => name);
    return classes.length > 0 && classes.every((name) => foreign.has(name));
  });
}

describe("stylesheets", () => {
  const shared = classesOf(textOf("view", /\.tsx$/));

  it.each(WIDGETS)("of %s stay in their widget", (widget) => {
    const css = textOf(`widgets/${widget}`, /\.css$/);
    for (const other of WIDGETS.filter((name) => name !== widget)) {
      const foreign = new Set([...classesOf(textOf(`widgets/${other}`, /\.tsx?$/)), ...shared]);
      foreign.delete(`nw-${widget}`);
      expect(reaching(css, foreign), `in ${other}`).toEqual([]);
    }
  });

  it("that reach another widget are found", () => {
    const css =
      ".nw-own .nw-dot {} /* .nw-x {} */ .nw-dot:hover, b {} @media print { .nw-dot i {} }";
    expect(reaching(css, new Set(["nw-dot"])).map((s) => s.trim())).toEqual([
      ".nw-dot:hover",
      ".nw-dot i",
    ]);
  });
});
