/** What the kernel has sent, what the user does, and what follows from both. */
import { computed, signal } from "@preact/signals";
import {
  type Concept,
  type Cut,
  cutAt,
  refinedAt,
  renamed,
  type Seen,
  titlesOf,
} from "../../core/concepts";
import { type Recovery, recoveryOf } from "../../core/recovery";
import { sharedOf, UNSTABLE } from "../../core/retrieved";
import { spokenCut } from "../../core/said-cut";
import { between, fromUnit, toUnit } from "../../core/scale";
import { combOf, members, nodeAt, rootOf, topOf } from "../../core/tree";
import { asChance } from "../../core/verdict";
import { gripsOf } from "../../model/grips";
import { litOf } from "../../model/lit";
import { type Host, type Model, perFrame, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import { readSAE } from "../../protocol/sae";
import type {
  CaptureProgress,
  SplitExplorerRequest,
  SplitExplorerTraits,
} from "../../protocol/schema";
import {
  type Retrieved,
  readEvidence,
  readRefinement,
  readTree,
  type TreeMessage,
} from "../../protocol/split";
import type { Tree } from "../../protocol/tree";
import { captionOf, type Preview } from "../../view/previews";
import { graphOf } from "./graph-state";
import { METRIC } from "./methods";
import { moreOf } from "./more";

/** Highlighted rows of the dataset, and what is under the pointer. */
export interface Hover {
  rows: Set<number>;
  source: "concept" | "branch" | "point" | "preview" | "feature";
  key?: string | undefined;
}

export type State = ReturnType<typeof createState>;

export function createState(model: Model, lifetime: AbortSignal, host?: Host) {
  const grips = gripsOf(model, lifetime, {
    same: () =>
      neuron.value === model.get("neuron") &&
      top.value === model.get("top") &&
      method.value === model.get("method") &&
      metric.value === model.get("metric") &&
      String(band.value) === String(model.get("band") ?? null),
    keep: () => threshold.set(threshold.value),
    update: () => trait.update(),
  });
  const trait = traitsOf<SplitExplorerTraits>(model, lifetime, grips.waits);
  const neuron = trait("neuron");
  const given = trait("_given");
  const top = trait("top");
  const method = trait("method");
  const metric = trait("metric");
  const bandTrait = trait("band");
  // A notebook that was saved before there were bands has none.
  const band = computed(() => bandTrait.value ?? null);
  const by = trait("by");
  const methods = trait("_methods");
  const threshold = trait("threshold");
  const refined = trait("refined");
  const selection = trait("selection");
  const names = trait("names");
  const libraryTrait = trait("_library");
  // A notebook that was saved before has none.
  const library = computed(() => libraryTrait.value ?? []);
  const status = trait("status", "always");
  const reading = trait("reading", "always");
  const suggestions = trait("_suggestions");
  const scores = trait("_scores");
  const treeBytes = trait("_tree");
  const evidenceBytes = trait("_evidence");
  const refinementBytes = trait("_refinement");
  const saeBytes = trait("_sae");

  const data = computed<TreeMessage | null>(() => readTree(treeBytes.value));
  const evidence = computed(() => readEvidence(evidenceBytes.value));
  const refinement = computed(() => readRefinement(refinementBytes.value));
  const sae = computed(() => readSAE(saeBytes.value));
  const seen = computed<Seen>(() => {
    data.value; // another tree, other concepts
    return new Map();
  });
  const sampleOf = computed(
    () => new Map(Array.from(data.value?.row ?? [], (row, sample) => [row, sample] as const)),
  );

  const refining = computed(() => refined.value && refinement.value?.threshold !== threshold.value);
  const current = computed<Cut | null>(() => {
    const message = data.value;
    if (!message) return null;
    const done = refinement.value;
    if (refined.value && done && done.threshold === threshold.value) {
      return refinedAt(message, done, names.value);
    }
    return cutAt(message, threshold.value, names.value, seen.value);
  });

  /** What the concepts are called on the screen. */
  const titles = computed(() => titlesOf(current.value?.concepts ?? [], names.value));
  /** Below this height no cut has a concept. */
  const comb = computed(() => (data.value ? combOf(data.value.tree, data.value.minSize) : 0));

  /** Whether the samples are cut into concepts where chance would separate them as clearly. */
  const byChance = computed(
    () => (current.value?.concepts.length ?? 0) > 1 && asChance(suggestions.value),
  );

  const recovery = computed<Recovery | null>(() => {
    const [truth, cut] = [data.value?.truth, current.value];
    if (!truth || !cut) return null;
    const none = new Float64Array(truth.names.length);
    const known = cut.mark ? refinement.value?.truth : null;
    const rows = cut.concepts.map(({ node }, i) => (known ? known[i] : truth.cosines.get(node)));
    return recoveryOf(
      rows.map((row) => row ?? none),
      truth.names.length,
      truth.recovered,
    );
  });

  const retrievedOf = (concept: Concept): Retrieved | null =>
    concept.refined ? concept.retrieved : (evidence.value?.retrieved.get(concept.node) ?? null);
  const shared = computed(() =>
    sharedOf((current.value?.concepts ?? []).map(retrievedOf), by.value),
  );
  /** The paper's settings: Ward's linkage of the vectors as they are, retrieval by dot product. */
  const paper = computed(
    () => method.value === "ward" && metric.value === "euclidean" && by.value === "dot",
  );
  const requests = requestsOf<SplitExplorerRequest>(model, status, lifetime);

  /** How many pixels a row of samples is wide. */
  const room = signal(0);
  const hover = signal<Hover | null>(null);
  const hovered = computed(() => (hover.value ? [...hover.value.rows] : null));
  const litSamples = litOf(
    trait("lit", "always"),
    { hovered: () => hovered.value, selected: () => selection.value },
    lifetime,
  );
  const litRows = computed<ReadonlySet<number>>(() => new Set(litSamples.value));
  /** Which of the top samples are lit. */
  const lit = computed<Uint8Array | null>(() => {
    const message = data.value;
    if (!message) return null;
    const rows = litRows.value;
    if (!rows.size) return null;
    const mask = new Uint8Array(message.tree.n);
    for (let sample = 0; sample < message.tree.n; sample++)
      if (rows.has(message.row[sample])) mask[sample] = 1;
    return mask;
  });
  const setThreshold = perFrame<number>(lifetime, (value) => threshold.set(value));

  const rowsOf = (samples: Iterable<number>): Set<number> => {
    const row = data.value?.row;
    return new Set(row ? Array.from(samples, (sample) => row[sample]) : []);
  };
  const samplesOf = (concept: number): number[] => {
    const of = current.value?.of;
    const out: number[] = [];
    if (of) for (let s = 0; s < of.length; s++) if (of[s] === concept) out.push(s);
    return out;
  };
  const treeNow = (): Tree | null => data.value?.tree ?? null;

  return {
    given,
    neuron,
    top,
    method,
    metric,
    band,
    by,
    methods,
    threshold,
    refined,
    selection,
    library,
    names,
    suggestions,
    scores,
    data,
    evidence,
    sae,
    refining,
    current,
    titles,
    /** The cut in words; null while there is none. */
    spoken: computed(() => (current.value ? spokenCut(titles.value, threshold.value) : null)),
    comb,
    recovery,
    hover,
    lit,
    litRows,
    room,

    /** How far the capture is; null where there is none. */
    reading: computed(() => ("state" in reading.value ? (reading.value as CaptureProgress) : null)),

    /** While a hand holds the line, a newer picture from the kernel does not move it. */
    hold: grips.hold,

    /** Move the line, at most once per frame. */
    setThreshold,

    /** Move the line on the slider's scale, 0 to 1. */
    setUnit(unit: number) {
      const tree = treeNow();
      if (tree) setThreshold(fromUnit(unit, topOf(tree), comb.value));
    },

    unit(): number {
      const tree = treeNow();
      return tree ? toUnit(threshold.value, topOf(tree), comb.value) : 0;
    },

    /** Cut so that `node` is one concept (or the least node around it that can be), select it. */
    isolate(node: number) {
      const [message, tree] = [data.value, treeNow()];
      if (!message || !tree) return;
      const root = rootOf(tree);
      let chosen = node;
      while (chosen !== root && tree.size[chosen] < message.minSize) chosen = tree.parent[chosen];
      const above = chosen === root ? topOf(tree) * 1.02 : tree.height[tree.parent[chosen]];
      setThreshold(Math.max(tree.height[chosen], between(tree.height[chosen], above)));
      selection.set(Array.from(rowsOf(members(tree, chosen))));
    },

    hoverConcept(concept: number | null) {
      const key = concept === null ? undefined : current.value?.concepts[concept]?.key;
      hover.value =
        concept === null ? null : { rows: rowsOf(samplesOf(concept)), source: "concept", key };
    },
    hoverBranch(x: number | null, height: number) {
      const tree = treeNow();
      if (x === null || !tree) {
        hover.value = null;
        return -1;
      }
      const node = nodeAt(tree, x, height);
      hover.value = { rows: rowsOf(members(tree, node)), source: "branch", key: String(node) };
      return node;
    },
    hoverRow(row: number | null, source: "preview" | "point" = "preview") {
      hover.value = row === null ? null : { rows: new Set([row]), source };
    },

    selectConcept(concept: number) {
      const rows = Array.from(rowsOf(samplesOf(concept)));
      const same =
        rows.length === selection.value.length && rows.every((r) => selection.value.includes(r));
      selection.set(same ? [] : rows);
    },
    toggleRow(row: number) {
      const selected = selection.value;
      selection.set(
        selected.includes(row) ? selected.filter((r) => r !== row) : [...selected, row],
      );
    },
    clearSelection() {
      if (selection.value.length) selection.set([]);
    },

    rename(node: number, name: string) {
      const [message, cut] = [data.value, current.value];
      if (!message || !cut || node < 0) return;
      const nodes = cut.concepts.map((concept) => concept.node).filter((n) => n >= 0);
      names.set(renamed(message, nodes, names.value, node, name));
    },

    ...requests,
    ...moreOf(data, evidence, requests.request, lifetime),
    feeds: graphOf(trait, requests.request, model, host),

    paper,

    /** Cluster and retrieve with the paper's settings, or with the default ones. */
    setPaper(on: boolean) {
      requests.request({
        type: "split.request",
        neuron: neuron.value,
        top: top.value,
        method: "ward",
        metric: on ? "euclidean" : "cosine",
        by: on ? "dot" : "cosine",
      });
    },

    /** Split a band of the activation, between two quantiles; null: the top. */
    setBand(next: number[] | null) {
      requests.request({
        type: "split.request",
        neuron: neuron.value,
        top: top.value,
        method: method.value,
        ...(METRIC.has(method.value) ? { metric: metric.value } : {}),
        band: next,
      });
    },

    /** Whether no concept of the neuron's top samples is like this one of a band. */
    inBandOnly(concept: Concept): boolean {
      const known = concept.refined ? null : evidence.value?.band;
      const own = known?.of.get(concept.node);
      return known != null && own !== undefined && own.cosine < known.limit;
    },

    /** Keywords of a concept's texts; null where they were not looked for. */
    wordsOf(node: number): string[] | null {
      return evidence.value?.words.get(node) ?? null;
    },

    /** What a concept of the cut retrieves; null where it was not looked up. */
    retrievedOf,
    byChance,
    /**
     * Whether a concept is drawn pale: samples without groups would separate as clearly, or few
     * halves of the samples have the concept again.
     */
    pale(concept: Concept): boolean {
      const recurs = retrievedOf(concept)?.recurs ?? null;
      return byChance.value || (recurs !== null && recurs < UNSTABLE);
    },
    /** Of what each concept of the cut retrieves, the share that another one retrieves too. */
    shared,

    /** How a sample looks. */
    preview(row: number, label: number | null = null, value: number | null = null): Preview {
      const message = data.value as TreeMessage;
      const sample = sampleOf.value.get(row);
      const code = label ?? (sample === undefined ? -1 : (message.label?.[sample] ?? -1));
      const activation = value ?? (sample === undefined ? null : message.activation[sample]);
      const caption = captionOf(code >= 0 ? message.labels[code] : null, activation, row);
      const said = { row, caption, activation };
      const faces = [message.faces, evidence.value?.faces].find((some) => some?.place.has(row));
      const at = faces?.place.get(row);
      if (!faces || at === undefined) return { ...said, picture: null, text: null };
      if (faces.kind === "image") return { ...said, picture: { faces, at }, text: null };
      return { ...said, picture: null, text: faces.texts[at] ?? null };
    },
  };
}
