/** One self-contained ES module and one stylesheet per widget: anywidget loads a single file of
 * each, and nothing is loaded from a network. `node build.js --watch` rebuilds on save. */
import { rm } from "node:fs/promises";
import { build } from "vite";

/** The widgets, and what stands in for one that no page shows. */
const WIDGETS = ["split-explorer", "range-explorer", "toy-lab", "neuron-browser", "asleep"];
const watch = process.argv.includes("--watch");

await rm(new URL("../neuronwidgets/static", import.meta.url), { recursive: true, force: true });
for (const name of WIDGETS) {
  await build({
    root: import.meta.dirname,
    mode: watch ? "development" : "production",
    build: {
      watch: watch ? {} : null,
      lib: {
        entry: { [name]: `src/widgets/${name}/index.ts` },
        formats: ["es"],
        fileName: (_format, entry) => `${entry}.js`,
        cssFileName: name,
      },
    },
  });
}
