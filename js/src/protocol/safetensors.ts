/** The safetensors format: an 8-byte length, a JSON header, little-endian arrays. */

export interface Packed {
  meta: Record<string, unknown>;
  tensor<T extends TensorArray>(name: string, as: TensorConstructor<T>): T;
  has(name: string): boolean;
  shape(name: string): number[];
}

export type TensorArray =
  | Float64Array
  | Float32Array
  | Int32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

interface TensorConstructor<T> {
  new (buffer: ArrayBuffer): T;
  readonly name: string;
}

interface Entry {
  dtype: string;
  shape: number[];
  data_offsets: [number, number];
}

const DTYPE: Record<string, string> = {
  F64: "Float64Array",
  F32: "Float32Array",
  I32: "Int32Array",
  I16: "Int16Array",
  U16: "Uint16Array",
  I8: "Int8Array",
  U8: "Uint8Array",
};

/** Read a message; `null` where there is none yet. */
export function unpack(view: DataView | null | undefined): Packed | null {
  if (!view || view.byteLength < 8) return null;
  const { buffer, byteOffset } = view;
  const length = Number(view.getBigUint64(0, true));
  const header = JSON.parse(
    new TextDecoder().decode(new Uint8Array(buffer, byteOffset + 8, length)),
  );
  const base = byteOffset + 8 + length;
  const entry = (name: string): Entry => {
    const found = header[name] as Entry | undefined;
    if (!found) throw new Error(`the message has no array ${name}`);
    return found;
  };
  return {
    meta: JSON.parse(header.__metadata__?.meta ?? "{}"),
    has: (name) => name in header,
    shape: (name) => entry(name).shape,
    tensor(name, as) {
      const { dtype, data_offsets } = entry(name);
      if (DTYPE[dtype] !== as.name) throw new Error(`${name} is ${dtype}, not ${as.name}`);
      // A copy: the view's offset need not be aligned to the array's type.
      const [from, to] = data_offsets;
      return new as((buffer as ArrayBuffer).slice(base + from, base + to));
    },
  };
}
