/** Imports go down only: the floors of `js/src`, as `tests/unit/test_rooms.py` has Python's. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, normalize, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, expect, it } from "vitest";

const SOURCE = fileURLToPath(new URL("../src", import.meta.url));
const FLOORS: Record<string, number> = {
  protocol: 0,
  core: 1,
  model: 2,
  view: 3,
  widgets: 4,
  lab: 4,
};
/** Globals of a page: `core` has none of them. Type names such as `Path2D` are no values. */
const DOM =
  /(?<![\w$.'"`-])(document|window|navigator|localStorage|requestAnimationFrame|getComputedStyle)\b(?!\s*:)/;
/** `import ... from`, `export ... from`, `import "..."` and `import("...")`, types included. */
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(\s*|^\s*import\s+)(["'])(.+?)\1/gm;

const withoutComments = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");

interface File {
  path: string;
  text: string;
  /** Files of the front end, as paths below the source folder, and packages by their names. */
  imports: string[];
}

function files(source: string): File[] {
  const names = readdirSync(source, { recursive: true, encoding: "utf-8" });
  const paths = names.map((name) => name.split(sep).join("/"));
  const known = new Set(paths);
  return paths
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map((path) => {
      const text = withoutComments(readFileSync(join(source, path), "utf-8"));
      const imports = Array.from(text.matchAll(IMPORT), ([, , target]) => {
        if (!target.startsWith(".")) return target;
        const base = normalize(join(dirname(path), target))
          .split(sep)
          .join("/");
        const endings = ["", ".ts", ".tsx", "/index.ts"];
        // A folder may have the name of a file: `schema/` is beside `schema.ts`.
        const candidates = endings.map((ending) => base + ending).filter((name) => known.has(name));
        return candidates.find((name) => /\.\w+$/.test(name)) ?? `missing ${base}`;
      });
      return { path, text, imports };
    });
}

/** `widgets/NAME` is a room of its own: widgets do not import each other. */
const roomOf = (path: string) =>
  path.startsWith("widgets/") ? path.split("/").slice(0, 2).join("/") : path.split("/")[0];
const floorOf = (path: string): number | undefined => FLOORS[path.split("/")[0]];

/** What is wrong with the imports below `source`, one line each. */
function complaints(source: string): string[] {
  const all = files(source);
  const out: string[] = [];
  for (const { path, text, imports } of all) {
    const floor = floorOf(path);
    if (floor === undefined) {
      out.push(`${path}: the room has no floor`);
      continue;
    }
    const dom = floor <= FLOORS.core ? DOM.exec(text) : null;
    if (dom) out.push(`${path} uses ${dom[1]}: only rooms above core may`);
    for (const target of imports) {
      const other = floorOf(target);
      if (target.startsWith("missing ")) out.push(`${path}: ${target}`);
      else if (other === undefined && floor <= FLOORS.core)
        out.push(`${path} imports ${target}: only rooms above core use packages`);
      else if (other !== undefined && roomOf(target) !== roomOf(path) && other >= floor)
        out.push(`${path} imports ${target} ${other === floor ? "sideways" : "upward"}`);
    }
  }
  return [...out, ...cycles(all)];
}

/** Each file that is on a cycle of imports with the cycle, found once. */
function cycles(all: File[]): string[] {
  const importsOf = new Map(all.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const out: string[] = [];
  const walk = (path: string, above: string[]) => {
    const start = above.indexOf(path);
    if (start >= 0) out.push(`cycle: ${[...above.slice(start), path].join(" -> ")}`);
    if (start >= 0 || done.has(path)) return;
    for (const target of importsOf.get(path) ?? []) walk(target, [...above, path]);
    done.add(path);
  };
  for (const { path } of all) walk(path, []);
  return out;
}

it("finds imports that go down only", () => {
  expect(complaints(SOURCE)).toEqual([]);
});

it("sees the rooms and what they import", () => {
  const all = files(SOURCE);
  const rooms = new Set(all.map(({ path }) => path.split("/")[0]));
  expect(rooms).toEqual(new Set(["protocol", "core", "lab", "model", "view", "widgets"]));
  const imported = new Set(all.flatMap(({ imports }) => imports.map(roomOf)));
  expect(imported).toContain("protocol");
  expect(imported).toContain("core");
  expect(imported).toContain("model");
  expect(imported).toContain("view");
  expect(imported).toContain("preact");
});

let house = "";
afterEach(() => {
  if (house) rmSync(house, { recursive: true });
  house = "";
});

function build(sources: Record<string, string>): string {
  house = mkdtempSync(join(tmpdir(), "house-"));
  for (const [path, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(house, path)), { recursive: true });
    writeFileSync(join(house, path), text);
  }
  return house;
}

const EMPTY = "export const a = 1;";

it.each([
  ["core/x.ts", 'import { a } from "../view/y";', "core/x.ts imports view/y.ts upward"],
  ["core/x.ts", 'import type { a } from "../model/y";', "core/x.ts imports model/y.ts upward"],
  ["core/x.ts", 'import {\n  a,\n} from "../view/y";', "core/x.ts imports view/y.ts upward"],
  ["protocol/x.ts", 'export { a } from "../core/y";', "protocol/x.ts imports core/y.ts upward"],
  ["view/x.tsx", 'const late = import("../widgets/b/y");', "imports widgets/b/y.ts upward"],
  ["view/x.tsx", 'import "../widgets/b/y";', "view/x.tsx imports widgets/b/y.ts upward"],
  ["widgets/a/x.ts", 'import { a } from "../b/y";', "imports widgets/b/y.ts sideways"],
  ["core/x.ts", 'import { h } from "preact";', "core/x.ts imports preact"],
  ["core/x.ts", "export const wide = () => window.innerWidth;", "core/x.ts uses window"],
  ["core/x.ts", 'export const tag = document.createElement("i");', "core/x.ts uses document"],
  ["attic/x.ts", "", "attic/x.ts: the room has no floor"],
  ["core/x.ts", 'import { a } from "./nowhere";', "core/x.ts: missing core/nowhere"],
])("complains of %s: %s", (path, text, complaint) => {
  const others = ["core", "model", "view", "widgets/b"].map((room) => [`${room}/y.ts`, EMPTY]);
  const found = complaints(build({ ...Object.fromEntries(others), [path]: text }));
  expect(found).toHaveLength(1);
  expect(found[0]).toContain(complaint);
});

it("finds a cycle, of types too", () => {
  const found = complaints(
    build({
      "core/a.ts": 'import { b } from "./b";',
      "core/b.ts": 'import type { c } from "./c";',
      "core/c.ts": 'export { a } from "./a";',
    }),
  );
  expect(found).toEqual(["cycle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts"]);
});

it("does not complain of what is right", () => {
  const found = complaints(
    build({
      "protocol/a.ts": EMPTY,
      "core/a.ts": '/** The window of a document. */\nimport type { a } from "../protocol/a";',
      "view/a.css": "",
      "view/a.tsx":
        'import "./a.css";\nimport { h } from "preact";\nimport { a } from "../core/a";',
      "widgets/b/index.ts": 'import { a } from "../../view/a";\nimport { c } from "./c";',
      "widgets/b/c.ts": "export const wide = () => window.innerWidth;",
    }),
  );
  expect(found).toEqual([]);
});

it("knows every folder of the source", () => {
  const folders = readdirSync(SOURCE, { withFileTypes: true }).filter((one) => one.isDirectory());
  for (const { name } of folders) expect(FLOORS).toHaveProperty(name);
});
