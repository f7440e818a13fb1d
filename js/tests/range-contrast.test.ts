/** RangeExplorer's words can be read in both themes (WCAG: contrast 4.5 at least). */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { contrast, readableOn } from "../src/view/color";
import { give, take } from "../src/view/frame-numbers";

const FOLDER = new URL("../src/widgets/range-explorer/", import.meta.url);
const SHEETS = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".css") && name !== "forced-colors.css")
  .map((name) => [name, readFileSync(new URL(name, FOLDER)).toString()] as const);
const TOKENS = readFileSync(new URL("../src/view/theme.css", import.meta.url)).toString();

type Color = number[];
type Theme = Record<string, Color>;

function rgb(hex: string): Color {
  const long = hex.length === 4 ? hex.replace(/[0-9a-f]/gi, "$&$&") : hex;
  return [1, 3, 5].map((at) => Number.parseInt(long.slice(at, at + 2), 16));
}

const over = (grey: number, alpha: number, ground: Color): Color =>
  ground.map((value) => alpha * grey + (1 - alpha) * value);

/** The palette outside of JupyterLab: the first value of a token is for light pages. */
function own(at: number): Theme {
  const value = (token: string) =>
    [...TOKENS.matchAll(new RegExp(`--nw-${token}:[^;]*?(#[0-9a-f]{3,6})\\)*;`, "g"))][at]?.[1];
  const names = ["ink", "quiet", "paper", "soft"];
  return Object.fromEntries(names.map((name) => [name, rgb(value(name) ?? "")]));
}

/** JupyterLab 4's colours: inks are black or white, of an opacity. */
function lab(grey: number, paper: Color, soft: Color): Theme {
  return { ink: over(grey, 1, paper), quiet: over(grey, 0.54, paper), paper, soft };
}

const THEMES: [string, Theme][] = [
  ["light", own(0)],
  ["dark", own(1)],
  ["JupyterLab Light", lab(0, rgb("#ffffff"), rgb("#eeeeee"))],
  ["JupyterLab Dark", lab(255, rgb("#111111"), rgb("#424242"))],
];

describe.each(THEMES)("%s", (_, theme) => {
  it.each(SHEETS)("%s", (_name, css) => {
    for (const [, body] of css.matchAll(/\{([^{}]*)\}/g)) {
      const color = /(?:^|[\s;])color: var\(--nw-(\w+)\)/.exec(body)?.[1];
      const ground = /background: var\(--nw-(\w+)\)/.exec(body)?.[1] ?? "paper";
      if (!color || !theme[ground]) continue;
      expect(contrast(theme[color], theme[ground]), body).toBeGreaterThan(4.5);
    }
  });
  it("has two words' colours that differ from its paper, and one from its soft ground", () => {
    expect(contrast(theme.ink, theme.paper)).toBeGreaterThan(12);
    expect(contrast(theme.quiet, theme.paper)).toBeGreaterThan(4.5);
    expect(contrast(theme.ink, theme.soft)).toBeGreaterThan(4.5);
  });
});

it("makes no words pale by opacity", () => {
  const pale = SHEETS.flatMap(([, css]) =>
    [...css.matchAll(/([^{}]*)\{[^{}]*opacity: 0[^{}]*\}/g)].map((rule) => rule[1].trim()),
  );
  // Bars, a line, and the caret.
  const bars = /^(.*\.nw-(length|range|present)|to)$/s;
  expect(pale.filter((selector) => !bars.test(selector))).toEqual([]);
  expect(pale.length).toBeGreaterThan(2);
});

it("writes on each cell of the overlap what can be read", () => {
  for (const ground of [rgb("#ffffff"), rgb("#111111")])
    for (const accent of ["#4477aa", "#ee6677", "#ccbb44", "#aa3377"].map(rgb))
      for (let strength = 0; strength <= 1; strength += 0.05) {
        const cell = accent.map((v, i) => strength * v + (1 - strength) * ground[i]);
        expect(contrast(rgb(readableOn(cell)), cell)).toBeGreaterThan(4.5);
      }
});

it("numbers the frames of one name on a page", () => {
  expect([take("a"), take("a"), take("b"), take("a")]).toEqual([1, 2, 1, 3]);
  give("a", 2);
  expect(take("a")).toBe(2);
  for (const number of [1, 2, 3]) give("a", number);
  give("b", 1);
  expect(take("a")).toBe(1);
  give("a", 1);
});
