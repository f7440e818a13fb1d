/** What the kernel has sent, what the user does, and what follows from both. */
import { computed, signal } from "@preact/signals";
import { bandWords, maskedCount } from "../../core/band";
import { isOf, sharesByWidth, valueAt, widthHolding } from "../../core/cost-curve";
import { isolated } from "../../core/direction";
import { edgesOf, moved, piecesOf } from "../../core/edges";
import { type Examples, pick, spread } from "../../core/examples";
import { ALL, matrixOf, type Overlaps, shownWith } from "../../core/overlap";
import { barAt, colorOf, countInside, type Pieces, rangeOf, sharesOf } from "../../core/ranges";
import { domainOf } from "../../core/ridges";
import { grouped, ordinal, percent } from "../../core/scale";
import { gripsOf } from "../../model/grips";
import { tellLit } from "../../model/lit";
import { change, type Model, perFrame, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import {
  type ExamplesMessage,
  type RangesMessage,
  readExamples,
  readRanges,
} from "../../protocol/ranges";
import type {
  Bar,
  CaptureProgress,
  Completions,
  Curve,
  MaskSetting,
  Measure,
  RangeExplorerRequest,
  RangeExplorerTraits,
  Rule,
} from "../../protocol/schema";
import { captionOf, type Preview } from "../../view/previews";

/** Previews in a strip. */
const [PICTURES, LINES] = [8, 4];

export type State = ReturnType<typeof createState>;

const same = (a: MaskSetting, b: MaskSetting): boolean =>
  a.neuron === b.neuron &&
  a.label === b.label &&
  a.tau === b.tau &&
  a.rule === b.rule &&
  a.top === b.top &&
  a.this_neuron_only === b.this_neuron_only &&
  a.edges.length === b.edges.length &&
  a.edges.every((edge, i) => edge === b.edges[i]);

/** ", at least 1.2 × as dense as the others". */
function denser(ratio: number): string {
  if (!ratio) return "";
  if (ratio > 999) return ", where hardly any other is";
  return `, at least ${Number(ratio.toPrecision(2))} × as dense as the others`;
}

export function createState(model: Model, lifetime: AbortSignal) {
  const grips = gripsOf(model, lifetime, {
    same: () => neuron.value === model.get("neuron"),
    keep: () => (custom.value ? edges.set(edges.value) : tau.set(tau.value)),
    update: () => trait.update(),
  });
  const trait = traitsOf<RangeExplorerTraits>(model, lifetime, grips.waits);
  const neuron = trait("neuron");
  const given = trait("_given");
  const label = trait("label");
  const tau = trait("tau");
  const rule = trait("rule");
  const edges = trait("edges");
  const top = trait("top");
  const thisNeuronOnly = trait("this_neuron_only");
  const selection = trait("selection");
  const litDots = trait("_lit_dots", "always");
  tellLit(model, trait("lit", "always"), lifetime);
  const capabilities = trait("capabilities");
  const status = trait("status", "always");
  const reading = trait("reading", "always");
  const measured = trait("measure", "always");
  const curves = trait("curve", "always");
  const completed = trait("completions");
  const prompt = trait("prompt");
  const bytes = trait("_picture");
  const exampleBytes = trait("_examples");

  const data = computed<RangesMessage | null>(() => readRanges(bytes.value));
  const chosen = computed(() => {
    const last = (data.value?.labels.length ?? 1) - 1;
    return Math.min(Math.max(0, label.value), Math.max(0, last));
  });
  const accent = computed(() => (data.value ? colorOf(data.value, chosen.value) : "#4477aa"));
  const custom = computed(() => edges.value.length > 0);
  const pieces = computed<Pieces>(() => {
    const message = data.value;
    if (!message || message.why[chosen.value]) return [];
    if (edges.value.length) return piecesOf(edges.value);
    return rangeOf(message, chosen.value, rule.value, tau.value);
  });
  const counts = computed(() => {
    const message = data.value;
    return message ? countInside(message, pieces.value) : new Int32Array();
  });

  /** How many neurons the range mask edits. */
  const masked = computed(() => {
    const message = data.value;
    if (!message) return 0;
    const mask = { top: top.value, only: thisNeuronOnly.value, drawn: custom.value };
    return maskedCount(message, chosen.value, mask);
  });

  const overlaps = computed<Overlaps>(() => {
    const message = data.value;
    if (!message) return { rows: [], overlap: new Float32Array() };
    // Of few classes all are shown, whichever is chosen.
    const rows = shownWith(message, message.labels.length > ALL ? chosen.value : 0);
    return { rows, overlap: matrixOf(message, rows) };
  });

  const measure = computed<Measure | null>(() =>
    "for" in measured.value ? (measured.value as Measure) : null,
  );
  const completions = computed<Completions | null>(() =>
    "base" in completed.value ? (completed.value as Completions) : null,
  );
  const setting = computed<MaskSetting>(() => ({
    neuron: neuron.value,
    label: label.value,
    tau: tau.value,
    rule: rule.value,
    edges: edges.value,
    top: top.value,
    this_neuron_only: thisNeuronOnly.value,
  }));
  const stale = computed(() => {
    const done = measure.value;
    return done !== null && !same(done.for, setting.value);
  });

  /** The cost at every width, if it is that of the present mask. */
  const curve = computed<Curve | null>(() => {
    const cost = curves.value && "for" in curves.value ? (curves.value as Curve) : null;
    if (!cost || cost.for.rule !== rule.value) return null;
    return isOf(cost.for, setting.value) ? cost : null;
  });
  const shares = computed(() =>
    data.value ? sharesByWidth(data.value, chosen.value, rule.value) : [],
  );
  /** The present width: of a band, that of the rule's range that holds as much of the class. */
  const width = computed(() => {
    const message = data.value;
    if (!custom.value || !message) return tau.value;
    const sent = Math.max(1, message.start[chosen.value + 1] - message.start[chosen.value]);
    return widthHolding(shares.value, counts.value[chosen.value] / sent);
  });
  /** What the curve says at the present width. */
  const onCurve = computed(() => {
    const cost = curve.value;
    const read = (values: readonly (number | null)[] | undefined) =>
      cost && values ? valueAt(cost.tau, values, width.value) : null;
    return {
      target: read(cost?.target),
      other: read(cost?.other),
      target_nats: read(cost?.target_nats),
      other_nats: read(cost?.other_nats),
    };
  });
  /** The measurement of another width, with what the curve says of this one. */
  const estimate = computed<Measure | null>(() => {
    const done = measure.value;
    const { target, other, target_nats, other_nats } = onCurve.value;
    if (!done || !stale.value || target === null || !isOf(done.for, setting.value)) return null;
    const about = (value: number | null): Bar => [value, null, null];
    return {
      ...done,
      target: { ...done.target, range: about(target) },
      other: { ...done.other, range: about(other) },
      target_nats: { ...done.target_nats, range: about(target_nats) },
      other_nats: { ...done.other_nats, range: about(other_nats) },
    };
  });

  /** Whether the examples are the chosen class's only. */
  const own = signal(true);
  const hovered = signal<number | null>(null);
  const samples = computed<ExamplesMessage | null>(() => readExamples(exampleBytes.value));
  const order = computed(() =>
    samples.value ? spread(samples.value, own.value ? chosen.value : -1) : new Int32Array(),
  );
  const examples = computed<Examples>(() => {
    const message = samples.value;
    if (!message) return { inside: [], outside: [] };
    return pick(
      message,
      order.value,
      pieces.value,
      message.faces.kind === "text" ? LINES : PICTURES,
    );
  });
  const previewIndex = computed(
    () => new Map(Array.from(samples.value?.faceRow ?? [], (row, i) => [row, i] as const)),
  );

  /** One line on what the screen shows. */
  const said = computed(() => {
    const message = data.value;
    if (!message) return "";
    const why = message.why[chosen.value];
    if (why) return why;
    const [own, others] = sharesOf(message, counts.value, chosen.value);
    const name = isolated(message.labels[chosen.value]);
    const dense = rule.value === "discriminative" && !custom.value;
    const least = dense ? denser(barAt(message, chosen.value, tau.value)) : "";
    const what = custom.value ? yours(message) : `τ ${tau.value.toFixed(2)}${least}`;
    if (dense && !pieces.value.length) return `${what}: ${name} is so nowhere on this neuron`;
    const rest = message.labels.length > 1 ? `, and ${percent(others)} of all others` : "";
    return `${what}: ${percent(own)} of ${name} inside${rest}`;
  });
  /** The band that the user drew, and what it applies to. */
  const yours = (message: RangesMessage) => {
    const band = bandWords(message, chosen.value, rule.value, pieces.value);
    const count = masked.value;
    const on = count > 1 ? `on ${grouped(count)} neurons` : "on this neuron only";
    return `Your band, ${band}, ${on}`;
  };
  const salience = computed(() => {
    const message = data.value;
    if (!message) return "";
    const rank = message.rank[chosen.value];
    const place = rank === 1 ? "the most" : `the ${ordinal(rank)} most`;
    const of = grouped(message.neurons);
    return `${message.name} is ${place} salient of ${of} for ${isolated(message.labels[chosen.value])}`;
  });

  /** The neuron that is most salient for the class; null where it is on the screen. */
  const mostSalient = computed(() => {
    const message = data.value;
    if (!message || message.rank[chosen.value] === 1) return null;
    const best = message.salient?.[chosen.value];
    return best === undefined || best === neuron.value ? null : best;
  });

  /** Another rule, width or class discards the edges that the user dragged. */
  const follow = (values: Record<string, unknown>) =>
    change(model, edges.value.length ? { ...values, edges: [] } : values);
  const setTau = perFrame<number>(lifetime, (value) => follow({ tau: value }));
  const setEdges = perFrame<{ of: number; next: Pieces }>(lifetime, ({ of, next }) => {
    if (of === chosen.value) edges.set(edgesOf(next));
  });

  return {
    given,
    neuron,
    label: chosen,
    tau,
    rule,
    top,
    edges,
    thisNeuronOnly,
    selection,
    litDots,
    capabilities,
    prompt,
    data,
    accent,
    custom,
    pieces,
    counts,
    masked,
    overlaps,
    measure,
    stale,
    curve,
    width,
    onCurve,
    estimate,
    completions,
    own,
    hovered,
    samples,
    examples,
    said,
    salience,
    mostSalient,
    /** Whether the overlaps are unfolded; where there is room they are at first. */
    overlapOpen: signal(!capabilities.value.measure),

    /** The progress of the capture; null where there is none. */
    reading: computed(() => ("state" in reading.value ? (reading.value as CaptureProgress) : null)),

    /** While a hand holds an edge or the slider, a newer picture from the kernel does not move it. */
    hold: grips.hold,

    select(c: number) {
      if (c !== label.value) follow({ label: c });
    },
    setRule(next: Rule) {
      follow({ rule: next });
    },
    /** At most once per frame. */
    setTau(value: number) {
      setTau(Math.min(4, Math.max(0, Math.round(value * 100) / 100)));
    },
    /** Move edge `i` to a place on the axis, at most once per frame. */
    moveEdge(i: number, unit: number) {
      const message = data.value;
      if (!message || i >= pieces.value.length) return;
      const domain = domainOf(message);
      // Exactly the end of the axis at the end of the track, without rounding.
      const value =
        unit >= 1 ? domain.high : domain.low + Math.max(0, unit) * (domain.high - domain.low);
      setEdges({ of: chosen.value, next: moved(pieces.value, i, value, domain) });
    },
    followRule() {
      follow({});
    },
    setMasked(share: number | null) {
      change(
        model,
        share === null ? { this_neuron_only: true } : { this_neuron_only: false, top: share },
      );
    },

    toggleRow(row: number) {
      const selected = selection.value;
      selection.set(
        selected.includes(row) ? selected.filter((r) => r !== row) : [...selected, row],
      );
    },
    /** Where a dataset row's preview is in the message. */
    previewIndexOf(row: number): number | undefined {
      return previewIndex.value.get(row);
    },
    preview(i: number): Preview {
      const { faces, faceRow, faceValue, faceLabel } = samples.value as ExamplesMessage;
      const { labels } = data.value as RangesMessage;
      const row = faceRow[i];
      const caption = captionOf(labels[faceLabel[i]] ?? null, faceValue[i], row);
      const at = faces.place.get(row);
      const picture = at !== undefined && faces.atlas ? { faces, at } : null;
      const text = at !== undefined && !picture ? (faces.texts[at] ?? null) : null;
      return { row, caption, picture, text };
    },

    ...requestsOf<RangeExplorerRequest>(model, status, lifetime),
  };
}
