/** Samples as a message shows them: pictures in one atlas, texts in segments. */
import type { Packed } from "./safetensors";
import type { PreviewsMeta, SampleKind, Tile, TreeArrays } from "./schema";

export interface Text {
  segments: string[];
  /** Activation of each segment; empty where the text was not read token by token. */
  values: Float32Array;
  /** The segment of the peak token, or -1. */
  peak: number;
  /** Whether it is a part of a longer text. */
  cut?: boolean | undefined;
}

/** Square tiles in one image. */
export interface Atlas extends Tile {
  url: string;
}

/** What can be shown of some samples, by dataset row. */
export interface Previews {
  kind: SampleKind;
  place: Map<number, number>;
  atlas: Atlas | null;
  texts: Text[];
}

export const NO_FACES: Previews = { kind: "none", place: new Map(), atlas: null, texts: [] };

/** The arrays of previews, which are the same in every message that has some. */
type PreviewArrays = Pick<TreeArrays, "face" | "atlas" | "value">;

export function previewsOf<Arrays extends PreviewArrays>(
  packed: Packed<Arrays, PreviewsMeta>,
): Previews {
  const { kind, tile, segments, values: counts, peaks, cut } = packed.meta;
  const rows = packed.tensor("face");
  const place = new Map(Array.from(rows, (row, i) => [row, i] as const));
  if (kind === "image" && tile && packed.has("atlas")) {
    const url = dataUrl(packed.tensor("atlas"));
    return { kind, place, atlas: { url, ...tile }, texts: [] };
  }
  if (kind === "text" && segments && counts && peaks) {
    const all = packed.has("value") ? packed.tensor("value") : new Float32Array();
    let offset = 0;
    const texts = segments.map((parts, i) => {
      const values = all.subarray(offset, offset + counts[i]);
      offset += counts[i];
      return { segments: parts, values, peak: peaks[i], cut: cut?.[i] };
    });
    return { kind, place, atlas: null, texts };
  }
  return { ...NO_FACES, kind };
}

/** A data URL: it needs no revoking, and an exported page keeps it. */
function dataUrl(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  const type = bytes[0] === 0xff ? "jpeg" : "png";
  return `data:image/${type};base64,${btoa(text)}`;
}
