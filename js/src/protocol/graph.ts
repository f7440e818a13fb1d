/** The message `graph`: the concepts of lower layers that feed one. */
import { type Previews, previewsOf } from "./previews";
import { unpack } from "./safetensors";
import { GRAPH, type GraphArrays, type GraphMeta, type PreviewsMeta } from "./schema";

/** The message `graph`, decoded. */
export interface GraphMessage extends Omit<GraphMeta, keyof PreviewsMeta> {
  /** Pictures of the nodes' samples. */
  faces: Previews;
}

export function readGraph(view: DataView | null): GraphMessage | null {
  const packed = unpack<GraphArrays, GraphMeta>(view, GRAPH);
  return packed && { ...packed.meta, faces: previewsOf(packed) };
}
