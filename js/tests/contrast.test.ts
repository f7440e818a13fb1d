/** Every text can be read in both themes: a contrast of 4.5 at least (WCAG 1.4.3). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTree } from "../src/protocol/split";
import { inkOn, luminance } from "../src/view/color";

const SOURCE = join(__dirname, "../src");
const read = (path: string) => readFileSync(join(SOURCE, path));
const LEAST = 4.5;

type Tokens = Record<string, string>;
type Color = readonly [r: number, g: number, b: number, alpha: number];

/** The blocks of the stylesheet that set colours: of the light theme, then of the dark one. */
const [LIGHT, DARK] = [
  ...read("view/theme.css")
    .toString()
    .matchAll(/\{([^{}]*--nw-ink:[^{}]*)\}/g),
]
  .map(([, block]) => [...block.matchAll(/(--[\w-]+):\s*([^;]+);/g)])
  .map((pairs) => Object.fromEntries(pairs.map(([, name, value]) => [name, value])) as Tokens);

/** What JupyterLab 4 says in its own themes. */
const LAB = {
  light: {
    "--jp-ui-font-color0": "#000000",
    "--jp-ui-font-color2": "rgba(0, 0, 0, 0.54)",
    "--jp-layout-color0": "#ffffff",
    "--jp-layout-color2": "#eeeeee",
    "--jp-error-color1": "#d32f2f",
  },
  dark: {
    "--jp-ui-font-color0": "#ffffff",
    "--jp-ui-font-color2": "rgba(255, 255, 255, 0.54)",
    "--jp-layout-color0": "#111111",
    "--jp-layout-color2": "#424242",
    "--jp-error-color1": "#f44336",
  },
};
/** What changes for those who ask for more contrast. */
const [, MORE] = /prefers-contrast: more\) \{[^{}]*\{([^{}]*)\}/.exec(
  read("view/theme.css").toString(),
) ?? ["", ""];
const MORE_CONTRAST = Object.fromEntries(
  [...MORE.matchAll(/(--[\w-]+):\s*([^;]+);/g)].map(([, name, value]) => [name, value]),
) as Tokens;
const THEMES: [string, Tokens][] = [
  ["light, in JupyterLab", { ...LIGHT, ...LAB.light }],
  ["dark, in JupyterLab", { ...LIGHT, ...LAB.dark }],
  ["light, elsewhere", LIGHT],
  ["dark, elsewhere", { ...LIGHT, ...DARK }],
];

/** Split at the commas that are in no brackets. */
function split(list: string): string[] {
  const parts = [""];
  let depth = 0;
  for (const letter of list) {
    depth += letter === "(" ? 1 : letter === ")" ? -1 : 0;
    if (letter === "," && !depth) parts.push("");
    else parts[parts.length - 1] += letter;
  }
  return parts.map((part) => part.trim());
}

/** A CSS colour as numbers; an error for a form that the stylesheets do not use. */
function colorOf(value: string, tokens: Tokens): Color {
  const call = /^([\w-]+)\((.*)\)$/s.exec(value);
  const inside = split(call?.[2] ?? "");
  if (call?.[1] === "var") return colorOf(tokens[inside[0]] ?? inside.slice(1).join(), tokens);
  if (call?.[1] === "rgba") {
    const [r, g, b, alpha] = inside.map(Number);
    return [r, g, b, alpha];
  }
  if (call?.[1] === "color-mix") {
    const [, first, share] = /^(.*) (\d+)%$/.exec(inside[1]) ?? [];
    return mixed(colorOf(first, tokens), Number(share) / 100, colorOf(inside[2], tokens));
  }
  const digits = /^#([0-9a-f]{3}|[0-9a-f]{6})$/i.exec(value)?.[1];
  if (!digits) throw new Error(`${value} is no colour that this test knows`);
  const pairs = digits.length === 3 ? [...digits].map((d) => d + d) : digits.match(/../g);
  const [r, g, b] = (pairs ?? []).map((pair) => Number.parseInt(pair, 16));
  return [r, g, b, 1];
}

function mixed(a: Color, share: number, b: Color): Color {
  const at = (i: 0 | 1 | 2 | 3) => share * a[i] + (1 - share) * b[i];
  return [at(0), at(1), at(2), at(3)];
}

/** A colour as it is seen on an opaque one. */
const on = (color: Color, ground: Color): Color =>
  mixed([color[0], color[1], color[2], 1], color[3], ground);

function contrast(text: Color, ground: Color): number {
  const [a, b] = [on(text, ground), ground].map(([r, g, b]) => luminance([r, g, b]) + 0.05);
  return Math.max(a, b) / Math.min(a, b);
}

const number = (path: string, pattern: RegExp) => Number(pattern.exec(read(path).toString())?.[1]);
const golden = readFileSync(join(__dirname, "../../tests/protocol/image-tree.safetensors"));
const palette =
  readTree(new DataView(golden.buffer, golden.byteOffset, golden.length))?.palette ?? [];

describe.each(THEMES)("%s", (_, tokens) => {
  const token = (name: string) => colorOf(`var(--nw-${name})`, tokens);
  const [ink, quiet, error, paper, soft] = ["ink", "quiet", "error", "paper", "soft"].map(token);

  it("words stand out from the ground", () => {
    for (const text of [ink, quiet, error])
      expect(contrast(text, paper)).toBeGreaterThanOrEqual(LEAST);
    expect(contrast(ink, soft)).toBeGreaterThanOrEqual(LEAST);
  });

  it("with more contrast, all words have 7 and all lines 3 (WCAG 1.4.6, 1.4.11)", () => {
    const more = { ...tokens, ...MORE_CONTRAST };
    const stronger = (name: string) => colorOf(`var(--nw-${name})`, more);
    for (const ground of [paper, stronger("soft")]) {
      expect(contrast(stronger("quiet"), ground)).toBeGreaterThanOrEqual(7);
      expect(contrast(stronger("line"), ground)).toBeGreaterThanOrEqual(3);
    }
    expect(contrast(stronger("hair"), paper)).toBeGreaterThanOrEqual(3);
  });

  it("quiet words on the grounds of the browser's table can be read", () => {
    for (const name of ["row", "samples"]) {
      const css = `widgets/neuron-browser/${name}.css`;
      const share = number(css, /--nw-quiet: color-mix\(in srgb, var\(--nw-ink\) (\d+)%/) / 100;
      expect(contrast(mixed(ink, share, paper), soft)).toBeGreaterThanOrEqual(LEAST);
    }
  });

  it("shaded tokens can be read, those of pale concepts too", () => {
    const opacity = number(
      "widgets/split-explorer/cards.css",
      /\.nw-pale \.nw-text \{\s*opacity: ([\d.]+)/,
    );
    const [grey, most] = /"currentColor" \? (\d+) : (\d+)/
      .exec(read("view/previews.tsx").toString())
      ?.slice(1)
      .map((share) => Number(share) / 100) ?? [Number.NaN, Number.NaN];
    const grounds = [
      mixed(ink, grey, paper),
      ...palette.map((color) => mixed(colorOf(color, tokens), most, paper)),
    ];
    for (const ground of grounds) {
      expect(contrast(ink, ground)).toBeGreaterThanOrEqual(LEAST);
      const [text, faded] = [ink, ground].map((color) => mixed(color, opacity, paper));
      expect(contrast(text, faded)).toBeGreaterThanOrEqual(LEAST);
    }
  });

  it("numbers stand out from the dots of concepts, pale ones too", () => {
    const css = "widgets/split-explorer/cards.css";
    const share = number(css, /\.nw-pale[^}]*var\(--nw-color\) (\d+)%, var\(--nw-paper\)/) / 100;
    expect(palette.length).toBeGreaterThan(5);
    for (const color of palette) {
      const dot = colorOf(color, tokens);
      expect(contrast(colorOf(inkOn(color), tokens), dot)).toBeGreaterThanOrEqual(LEAST);
      expect(contrast(ink, mixed(dot, share, paper))).toBeGreaterThanOrEqual(LEAST);
    }
  });
});

describe("stylesheets", () => {
  it("set both themes", () => {
    expect(Object.keys(LIGHT).length).toBeGreaterThan(6);
    for (const name of ["--nw-ink", "--nw-quiet", "--nw-paper", "--nw-soft"])
      expect(DARK[name]).toBeTruthy();
  });

  const widgets = readdirSync(join(SOURCE, "widgets")).map((name) => `widgets/${name}`);
  const rules = ["view", ...widgets]
    .flatMap((folder) => readdirSync(join(SOURCE, folder)).map((name) => `${folder}/${name}`))
    .filter((name) => name.endsWith(".css"))
    .flatMap(
      (name) =>
        read(name)
          .toString()
          .match(/\{[^{}]*\}/g) ?? [],
    );
  const quiet = rules.filter((rule) => /[^-]color:[^;]*--nw-quiet/.test(rule));

  it("write quiet words on paper only: on the soft ground they are below 4.5 in JupyterLab", () => {
    expect(rules.length).toBeGreaterThan(400);
    expect(quiet.length).toBeGreaterThan(40);
    expect(quiet.filter((rule) => /background:[^;]*--nw-soft/.test(rule))).toEqual([]);
  });

  it("make quiet words no paler", () => {
    expect(quiet.filter((rule) => /[^-]opacity:/.test(rule))).toEqual([]);
  });
});
