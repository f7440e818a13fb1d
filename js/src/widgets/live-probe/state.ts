/** What the kernel has sent, what the user does, and what follows from both. */
import { computed, effect, signal } from "@preact/signals";
import { short } from "../../core/scale";
import { chunkColors, nearestTolerance } from "../../core/states";
import { type Difference, differences } from "../../core/token-difference";
import { type Model, perFrame, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import { type ReadingsMessage, readReadings, type Slot } from "../../protocol/probe";
import type {
  DeletedWords,
  LiveProbeRequest,
  LiveProbeTraits,
  StatesMeta,
} from "../../protocol/schema";
import { flightOf } from "./flight";

export type State = ReturnType<typeof createState>;

export function createState(model: Model, lifetime: AbortSignal) {
  const trait = traitsOf<LiveProbeTraits>(model, lifetime);
  const neuron = trait("neuron");
  const given = trait("_given");
  const texts = [trait("text"), trait("other")];
  const images = [trait("image"), trait("other_image")];
  const comparing = trait("comparing");
  const sample = trait("sample");
  const concept = trait("concept");
  const status = trait("status");
  const bytes = trait("_readings");
  const tops = trait("_tops");
  const deleted = trait("_deletions");
  const tolerance = trait("tolerance");
  const compared = trait("_states");
  const requests = requestsOf<LiveProbeRequest>(model, status, lifetime);

  const data = computed<ReadingsMessage | null>(() => readReadings(bytes.value));
  const slots = computed<Slot[]>(() => data.value?.slots ?? []);
  /** The texts as they stand in the boxes: ahead of the traits while one is in flight. */
  const typed = texts.map(({ value }) => signal(value));

  const ask = () => requests.request({ type: "reading.request" });
  const written = texts.map((text) => flightOf(lifetime, { send: text.set, ask }));
  const painted = images.map((image) => flightOf(lifetime, { send: image.set, ask }));
  const ends = [
    effect(() => {
      // A reading or an error has come.
      bytes.value;
      if (status.value.state === "running") return;
      for (const one of [...written, ...painted]) one.landed();
    }),
    ...texts.map((text, i) =>
      effect(() => {
        typed[i].value = text.value;
      }),
    ),
  ];
  lifetime.addEventListener("abort", () => {
    for (const end of ends) end();
  });

  /** A concept stays lit when the pointer leaves it, if it was clicked. */
  const pinned = signal(-1);
  const lit = computed(() => {
    const count = data.value?.concepts.length ?? 0;
    return concept.value < count ? concept.value : -1;
  });
  const light = (k: number) => {
    if (k !== concept.value) concept.set(k);
  };

  /** The deletions, if they are of the text in the box. */
  const deletions = computed<DeletedWords | null>(() => {
    const done = deleted.value;
    return "words" in done && done.text === typed[0].value ? (done as DeletedWords) : null;
  });

  /** Both texts token by token; null where there is nothing to compare. */
  const difference = computed<Difference[] | null>(() => {
    const [first, second] = slots.value;
    if (!first || !second || data.value?.kind !== "text") return null;
    return differences(first, second);
  });

  /** What tokens are compared with. A notebook that was saved before there was any has none. */
  const states = computed<StatesMeta>(() => compared.value ?? {});
  const colors = computed(() => chunkColors(slots.value.map(({ chunk }) => chunk ?? [])));
  /** The place of the tolerance among those of the template. */
  const stop = computed(() => {
    const { tolerances } = states.value.template ?? {};
    return tolerances ? nearestTolerance(tolerances, tolerance.value || tolerances[0]) : 0;
  });
  const setTolerance = perFrame<number>(lifetime, (value) => tolerance.set(value));

  /** The largest share on the screen, and the least, at most 0. */
  const span = computed(() => {
    const all = slots.value.flatMap(({ shares, control }) => [...shares, ...control]);
    return { low: Math.min(0, ...all), high: Math.max(1e-9, ...all) };
  });

  /** What the screen shows, in words. */
  const said = computed(() => {
    const message = data.value;
    if (!message) return null;
    const [first, second] = message.slots;
    if (first?.pooled == null) return first?.note ?? null;
    const peak = first.peak >= 0 ? first.segments[first.peak] : undefined;
    const at = peak ? `, most on ${peak.trim()}` : "";
    const other = second?.pooled == null ? "" : `; second box ${short(second.pooled)}`;
    return `${message.name}: ${short(first.pooled)}${at}${other}.`;
  });

  return {
    given,
    neuron,
    texts,
    images,
    typed,
    comparing,
    concept,
    sample,
    tops,
    data,
    slots,
    lit,
    pinned,
    deletions,
    difference,
    span,
    said,
    states,
    colorOf: (chunk: number): string => colors.value.get(chunk) ?? "transparent",
    stop,
    tolerance,

    /** Whether a token is in the template's state. */
    isHit: ({ hit }: Slot, token: number): boolean => {
      const count = states.value.template?.tolerances.length ?? 0;
      return hit?.[token * count + stop.value] === 1;
    },

    /** Move the tolerance to one of the template's, at most once per frame. */
    setStop(place: number) {
      const chosen = states.value.template?.tolerances[place];
      if (chosen !== undefined) setTolerance(chosen);
    },

    /** Whether the screen shows an earlier text, and no newer reading will come. */
    isStale: (box: number) =>
      slots.value[box] !== undefined &&
      data.value?.kind === "text" &&
      slots.value[box].text !== typed[box].value &&
      requests.status.value.state === "error",

    type(box: number, text: string) {
      typed[box].value = text;
      written[box].change(text);
    },
    paint(box: number, file: DataView) {
      painted[box].change(file);
    },
    compare(on: boolean) {
      comparing.set(on);
    },
    start(row: number) {
      sample.set(row);
    },
    hover(k: number | null) {
      light(k ?? pinned.value);
    },
    pin(k: number) {
      pinned.value = pinned.value === k ? -1 : k;
      light(pinned.value);
    },
    ...requests,
  };
}
