/** Previews that the view has asked for; those not seen for long make room for others. */
import { signal } from "@preact/signals";
import type { Previews } from "../../protocol/previews";
import type { PreviewsRequest } from "../../protocol/schema";

/** Samples in a request, at most. */
const MOST = 512;
/** Answers that are kept. */
const ANSWERS = 24;

/** `send` throws where there is no kernel: then nothing more is asked. */
export function heldPreviews(send: (request: PreviewsRequest) => void) {
  const answers = signal<readonly Previews[]>([]);
  const asked = new Set<number>();
  let alone = false;
  let kind: Previews["kind"] = "none";
  return {
    add(previews: Previews) {
      const known = answers.peek();
      if (known.includes(previews)) return;
      kind = previews.kind;
      const dropped = known.slice(ANSWERS - 1);
      for (const { place } of dropped) for (const row of place.keys()) asked.delete(row);
      for (const row of previews.place.keys()) asked.add(row);
      answers.value = [previews, ...known.slice(0, ANSWERS - 1)];
    },

    /** A newer picture has other samples in the same rows. */
    clear() {
      asked.clear();
      answers.value = [];
    },

    of(row: number): { faces: Previews; at: number } | null {
      for (const faces of answers.value) {
        const at = faces.place.get(row);
        if (at !== undefined) return { faces, at };
      }
      return null;
    },

    /** What samples of this layer are, as far as is known. */
    kind: () => answers.value[0]?.kind ?? kind,

    /** Ask for those that were not asked for yet. */
    ask(rows: Iterable<number>) {
      if (alone) return;
      const samples = Array.from(new Set(rows))
        .filter((row) => row >= 0 && !asked.has(row))
        .slice(0, MOST);
      if (!samples.length) return;
      for (const row of samples) asked.add(row);
      try {
        send({ type: "previews.request", samples });
      } catch {
        alone = true;
      }
    },
  };
}
