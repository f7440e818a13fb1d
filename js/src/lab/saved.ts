/** What is saved in a folder or file: a capture, or concepts, as their JSON says. */

import type { Contents, FileModel } from "@jupyterlab/services";

/** The index of a capture's folder (`neuronwidgets/activations/store/store.py`). */
export const MANIFEST = "manifest.json";
const ACTIVATIONS = "neuronwidgets.activations/";
/** Above so many bytes a shard is not opened to see how many neurons it has. */
const LARGEST_SHARD = 64e6;

export interface Capture {
  kind: "capture";
  layers: { name: string; neurons: number | null; bytes: number }[];
  model: string;
  samples: number;
  dtype: string;
  complete: boolean;
}

export interface SavedConcepts {
  kind: "concepts" | "library";
  /** null for a library, whose concepts may be of several layers. */
  layer: string | null;
  neuron: number | null;
  names: string[];
  bytes: number;
}

export type Saved = Capture | SavedConcepts;

interface Manifest {
  format: string;
  complete: boolean;
  dtype: string;
  samples: number;
  layers: Record<string, { folder: string }>;
  about?: { model?: string };
}

/** The manifest in `text`; null if it is something else. */
export function manifestOf(text: unknown): Manifest | null {
  const value = parsed(text);
  const format = value?.format;
  return typeof format === "string" && format.startsWith(ACTIVATIONS)
    ? (value as unknown as Manifest)
    : null;
}

/** The concepts that `text` describes; null if it is something else. */
export function conceptsOf(text: unknown, bytes: number): SavedConcepts | null {
  const value = parsed(text);
  const format = typeof value?.format === "string" ? value.format : "";
  if (format.startsWith("neuronwidgets.concepts/")) {
    const { layer, neuron, names } = value as { layer: string; neuron: number; names: string[] };
    return { kind: "concepts", layer, neuron, names, bytes };
  }
  if (format.startsWith("neuronwidgets.library/")) {
    const { concepts } = value as { concepts: { name: string }[] };
    const names = concepts.map(({ name }) => name);
    return { kind: "library", layer: null, neuron: null, names, bytes };
  }
  return null;
}

/** The neurons that a shard's first bytes name, or null: `values` is rows x neurons. */
export function neuronsOf(start: Uint8Array): number | null {
  if (start.length < 8) return null;
  const size = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (start.length < 8 + size) return null;
  const header = parsed(new TextDecoder().decode(start.subarray(8, 8 + size)));
  const shape = (header?.values as { shape?: number[] } | undefined)?.shape;
  return shape?.[1] ?? null;
}

/** What is saved at `path`; null if it is nothing of this package. */
export async function read(contents: Contents, path: string): Promise<Saved | null> {
  if (path.endsWith(".safetensors")) {
    const about = await textAt(contents, path.replace(/safetensors$/, "json"));
    const file = await contents.get(path, { content: false });
    return conceptsOf(about, file.size ?? 0);
  }
  const manifest = manifestOf(await textAt(contents, `${path}/${MANIFEST}`));
  if (!manifest) return null;
  const layers = await Promise.all(
    Object.entries(manifest.layers).map(async ([name, { folder }]) => {
      const listing = await contents.get(`${path}/${folder}`).catch(() => null);
      const shards = ((listing?.content ?? []) as FileModel[]).filter(({ name }) =>
        name.endsWith(".safetensors"),
      );
      const bytes = shards.reduce((sum, { size }) => sum + (size ?? 0), 0);
      return { name, neurons: await neuronsIn(contents, shards), bytes };
    }),
  );
  const { samples, dtype, complete, about } = manifest;
  return { kind: "capture", layers, model: about?.model ?? "", samples, dtype, complete };
}

async function neuronsIn(contents: Contents, shards: FileModel[]): Promise<number | null> {
  const [shard] = shards.sort((a, b) => (a.size ?? 0) - (b.size ?? 0));
  if (!shard || (shard.size ?? 0) > LARGEST_SHARD) return null;
  const stop = new AbortController();
  try {
    const url = await contents.getDownloadUrl(shard.path);
    const { body } = await fetch(url, { signal: stop.signal });
    const first = await body?.getReader().read();
    return first?.value ? neuronsOf(first.value) : null;
  } catch {
    return null;
  } finally {
    stop.abort();
  }
}

async function textAt(contents: Contents, path: string): Promise<unknown> {
  const options = { type: "file", format: "text", content: true };
  const parts = path.split("/");
  const name = parts.pop() ?? "";
  const folder = await contents.get(parts.join("/")).catch(() => null);
  // A request for a file that is missing would be an error in the browser's console.
  const there = ((folder?.content ?? []) as FileModel[]).some((file) => file.name === name);
  if (!there) return null;
  return (await contents.get(path, options)).content;
}

function parsed(text: unknown): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(String(text));
    return value !== null && typeof value === "object" ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
