import { defineConfig } from "vite";

// One self-contained ES module and one stylesheet per widget: nothing is loaded from a network.
export default defineConfig({
  define: { "process.env.NODE_ENV": '"production"' },
  build: {
    outDir: "../neuronwidgets/static",
    emptyOutDir: true,
    target: "es2022",
    lib: {
      entry: { "split-explorer": "src/widgets/split-explorer/index.ts" },
      formats: ["es"],
      fileName: (_format, name) => `${name}.js`,
      cssFileName: "split-explorer",
    },
  },
});
