/** The safetensors format: an 8-byte length, a JSON header, little-endian arrays. */
import { ARRAYS, type Dtype } from "./schema";

/** A binary message with its metadata and arrays, as the schema describes them. */
export interface Packed<Arrays, Meta> {
  meta: Meta;
  has(name: keyof Arrays & string): boolean;
  /** An array by its name; `run` where each run has its own. */
  tensor<K extends keyof Arrays & string>(name: K, run?: number): NonNullable<Arrays[K]>;
  shape(name: keyof Arrays & string, run?: number): number[];
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

/** Read a message; `null` where there is none yet. */
export function unpack<Arrays, Meta>(
  view: DataView | null | undefined,
  dtypes: Record<keyof Arrays, Dtype>,
): Packed<Arrays, Meta> | null {
  if (!view || view.byteLength < 8) return null;
  const { buffer, byteOffset } = view;
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(
    new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 8, length)),
  );
  const base = byteOffset + 8 + length;
  const entry = (name: string, run?: number): Entry => {
    const known = header[`${name}${run ?? ""}`] as Entry | undefined;
    if (!known) throw new Error(`the message has no array ${name}`);
    return known;
  };
  return {
    meta: JSON.parse(header.__metadata__?.meta ?? "{}"),
    has: (name) => name in header,
    shape: (name, run) => entry(name, run).shape,
    tensor<K extends keyof Arrays & string>(name: K, run?: number) {
      const { dtype, data_offsets } = entry(name, run);
      const wanted = dtypes[name];
      if (dtype !== wanted) throw new Error(`${name} is ${dtype}, not ${wanted}`);
      // A copy: the view's offset need not be aligned to the array's type.
      const [from, to] = data_offsets;
      const bytes = (buffer as ArrayBuffer).slice(base + from, base + to);
      return new ARRAYS[wanted](bytes) as unknown as NonNullable<Arrays[K]>;
    },
  };
}
