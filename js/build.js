/** One self-contained ES module and one stylesheet per widget: anywidget loads a single file of
 * each, and nothing is loaded from a network. `node build.js --watch` rebuilds on save. */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { build } from "vite";
import { buildLab } from "./lab.js";

/** The widgets, what loads one, and what stands in for one that no page shows. */
const WIDGETS = [
  "split-explorer",
  "range-explorer",
  "toy-lab",
  "live-probe",
  "neuron-browser",
  "intruder-test",
  "explorer",
  "loader",
  "asleep",
];
const watch = process.argv.includes("--watch");

/**
 * anywidget makes a module of the text for each widget of a page, and a page never forgets a module.
 * So the first one's code is used by all of the same text, and the others are not even compiled.
 */
const once = {
  name: "once",
  enforce: "post",
  generateBundle(_options, bundle) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== "chunk") continue;
      const hash = createHash("sha256").update(chunk.code).digest("hex").slice(0, 16);
      chunk.code = `function make() {
${chunk.code}
return widget;
}
const made = Symbol.for("neuronwidgets.${hash}");
globalThis[made] ??= make();
const shared = globalThis[made];
export { shared as default };
`;
    }
  },
};

await rm(new URL("../neuronwidgets/static", import.meta.url), { recursive: true, force: true });
for (const name of WIDGETS) {
  await build({
    root: import.meta.dirname,
    mode: watch ? "development" : "production",
    plugins: [once],
    build: {
      watch: watch ? {} : null,
      lib: {
        entry: { [name]: `src/widgets/${name}/index.ts` },
        name: "widget",
        formats: ["iife"],
        fileName: (_format, entry) => `${entry}.js`,
        cssFileName: name,
      },
    },
  });
}
await buildLab();
