/** Lines of Python that the extension writes. */
import type { KernelState, StoreState } from "../protocol/schema/lab";

/** A Python string literal. JSON's escapes are Python's, but for astral characters, kept as is. */
export const literal = (text: string): string => JSON.stringify(text);

/** Explore a neuron: of the activations that have a name, those of the widget's layer. */
export function neuronCode(neuron: number, layer: string, { stores }: KernelState): string {
  const variable = stores.find((store) => store.layer === layer && store.variable)?.variable;
  return `nw.SplitExplorer(${variable ?? "acts"}, neuron=${neuron})`;
}

export const captureCode = (variable: string): string => `${variable}.so_far()`;

export const storeCode = ({ variable }: Pick<StoreState, "variable">): string =>
  `nw.explore(${variable ?? "acts"})`;

export const conceptCode = (variable: string, name: string): string =>
  `${variable}[${literal(name)}]`;

export const EXPLORE_MODEL = `import neuronwidgets as nw

data = nw.datasets.fashion()  # or your own model and data
explorer = nw.explore(data.model, data.images, layer=data.layer, labels=data.labels)
explorer`;

/** A notebook of one cell that explores the capture in a folder, as the kernel sees its path. */
export const exploreFolder = (path: string): string => `import neuronwidgets as nw

acts = nw.Activations.load(${literal(path)})
nw.explore(acts)`;

/** Cells that load saved concepts: of one neuron, or a library of them. */
export function openConcepts(kind: "concepts" | "library", path: string): string {
  const type = kind === "library" ? "Library" : "Concepts";
  return `import neuronwidgets as nw

${kind} = nw.${type}.load(${literal(path)})
${kind}`;
}

/** An nbformat document with one code cell. */
export function notebookOf(
  code: string,
  kernelspec: { name: string; display_name: string; language: string } | null,
): object {
  const cell = {
    cell_type: "code",
    id: "explore",
    metadata: {},
    source: code,
    outputs: [],
    execution_count: null,
  };
  const metadata = kernelspec ? { kernelspec } : {};
  return { nbformat: 4, nbformat_minor: 5, metadata, cells: [cell] };
}
