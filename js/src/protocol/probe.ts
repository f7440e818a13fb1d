/** The message of LiveProbe: what the layer makes of each box. */
import { unpack } from "./safetensors";
import { type ProbedSlot, READINGS, type ReadingsArrays, type ReadingsMeta } from "./schema";

/** What the layer makes of one box. */
export interface Slot extends Omit<ProbedSlot, "values"> {
  /** The activation of each segment, or of each position of an image's map. */
  values: Float32Array;
  /** The share of each concept in each segment: segment after segment. */
  each: Float32Array;
  /** The pooled share of a random direction of each concept. */
  control: number[];
  /** The chunk of each segment, -1 at the centre, and its cosine with it; null without chunks. */
  chunk: Int32Array | null;
  cosine: Float32Array | null;
  /** Whether each segment is in the template's state, at each tolerance; null without a template. */
  hit: Uint8Array | null;
}

/** The message `readings`, decoded. */
export interface ReadingsMessage extends Omit<ReadingsMeta, "slots" | "control"> {
  slots: Slot[];
}

export function readReadings(view: DataView | null | undefined): ReadingsMessage | null {
  const packed = unpack<ReadingsArrays, ReadingsMeta>(view, READINGS);
  if (!packed) return null;
  const { slots, control, ...meta } = packed.meta;
  const [value, share] = [packed.tensor("value"), packed.tensor("share")];
  const width = meta.concepts.length;
  const chunk = packed.has("chunk") ? packed.tensor("chunk") : null;
  const cosine = packed.has("chunk_cosine") ? packed.tensor("chunk_cosine") : null;
  const hit = packed.has("hit") ? packed.tensor("hit") : null;
  const stops = hit ? packed.shape("hit")[1] : 0;
  let from = 0;
  const decoded = slots.map((slot, i) => {
    const to = from + slot.values;
    const values = value.subarray(from, to);
    const each = share.subarray(from * width, to * width);
    const states = {
      chunk: chunk?.subarray(from, to) ?? null,
      cosine: cosine?.subarray(from, to) ?? null,
      hit: hit?.subarray(from * stops, to * stops) ?? null,
    };
    from = to;
    return { ...slot, ...states, values, each, control: control[i] };
  });
  return { ...meta, slots: decoded };
}
