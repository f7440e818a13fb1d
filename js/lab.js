/** Builds the JupyterLab extension: one script, which JupyterLab loads before it starts.
 *
 * JupyterLab's loader takes `window._JUPYTERLAB[name] = { init, get }`: `init` receives the modules
 * that the page shares, `get` returns the extension. So the script needs no second bundler, and
 * JupyterLab's packages are not in it. */
import { createHash } from "node:crypto";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "vite";

const NAME = "neuronwidgets";
const ROOT = new URL("./", import.meta.url);
const OUT = new URL("../neuronwidgets/labextension/", import.meta.url);
const SHARED = /^@(jupyterlab|lumino)\//;

/** The loader around a bundle that takes the shared modules as `shared`.
 *
 * Of several versions it takes the one that is loaded, else the newest, as JupyterLab does for its
 * own packages. A module that the page does not have is empty: Notebook 7 has no launcher. */
const BEFORE = `window._JUPYTERLAB = window._JUPYTERLAB || {};
window._JUPYTERLAB[${JSON.stringify(NAME)}] = (() => {
let scope, extension;
const newer = (a, b) => a.localeCompare(b, "en", { numeric: true }) > 0;
const load = async (name) => {
  const versions = scope[name] || {};
  const version = Object.keys(versions).sort((a, b) =>
    !!versions[a].loaded === !!versions[b].loaded
      ? newer(a, b) ? -1 : 1
      : versions[a].loaded ? -1 : 1)[0];
  return [name, version === undefined ? {} : (await versions[version].get())()];
};
const run = (shared) => {
`;
const styled = (css) =>
  `document.head.appendChild(document.createElement("style")).textContent = ${JSON.stringify(css)};\n`;
const after = (modules) => `
return lab;
};
return {
  init: (shared) => { scope = shared; },
  get: () => (extension ||= Promise.all(${JSON.stringify(modules)}.map(load))
    .then((loaded) => run(Object.fromEntries(loaded)))
    .then((module) => () => module)),
};
})();
`;

/** Write `neuronwidgets/labextension/`: the script, its package.json, settings and notebooks. */
export async function buildLab(mode = "production") {
  await rm(OUT, { recursive: true, force: true });
  const used = new Set();
  const result = await build({
    root: ROOT.pathname,
    configFile: false,
    mode,
    logLevel: "warn",
    define: { "process.env.NODE_ENV": JSON.stringify(mode) },
    build: {
      write: false,
      target: "es2022",
      lib: { entry: "src/lab/index.ts", formats: ["iife"], name: "lab" },
      rollupOptions: {
        external: (id) => {
          if (SHARED.test(id)) used.add(id);
          return SHARED.test(id);
        },
        output: { globals: (id) => `shared[${JSON.stringify(id)}]`, exports: "named" },
      },
    },
  });
  const { output } = [result].flat()[0];
  const bundle = output.find((file) => file.type === "chunk").code;
  const css = output.find((file) => file.fileName.endsWith(".css")).source;
  const modules = [...used].sort();
  const script = BEFORE + styled(css) + bundle + after(modules);
  const hash = createHash("sha256").update(script).digest("hex").slice(0, 16);
  const load = `static/remoteEntry.${hash}.js`;
  const init = await readFile(new URL("../neuronwidgets/__init__.py", ROOT), "utf8");
  const about = {
    name: NAME,
    version: /__version__ = "(.+)"/.exec(init)[1],
    description: "What a kernel holds of neuronwidgets, and its widgets in tabs of their own.",
    license: "MIT",
    jupyterlab: {
      extension: true,
      schemaDir: "schema",
      _build: { load, extension: "./extension" },
    },
  };
  const install = {
    packageManager: "python",
    packageName: NAME,
    uninstallInstructions: `Uninstall the Python package: pip uninstall ${NAME}`,
  };
  await mkdir(new URL("static/", OUT), { recursive: true });
  await writeFile(new URL(load, OUT), script);
  await writeFile(new URL("package.json", OUT), `${JSON.stringify(about, null, 2)}\n`);
  await writeFile(new URL("install.json", OUT), `${JSON.stringify(install, null, 2)}\n`);
  // The settings editor reads the version of the settings there.
  const schemas = new URL(`schemas/${NAME}/`, OUT);
  await mkdir(schemas, { recursive: true });
  await writeFile(new URL("package.json.orig", schemas), `${JSON.stringify(about, null, 2)}\n`);
  await cp(new URL("schema/", ROOT), new URL(`schemas/${NAME}/`, OUT), { recursive: true });
  await cp(new URL("../notebooks/", ROOT), new URL("static/notebooks/", OUT), {
    recursive: true,
    filter: (path) => !/\.ipynb_checkpoints/.test(path),
  });
}
