/** What the kernel has sent, what the user does, and what follows from both. */
import { batch, computed, effect, signal } from "@preact/signals";
import { cellsOf } from "../../core/cells";
import { conceptsOf, countsAt, type Forest, forestOf, stepOf } from "../../core/forest";
import { COLORS, labelColors } from "../../core/palette";
import { keptOf, maskOf, ranked, withinLimits } from "../../core/ranking";
import { gripsOf } from "../../model/grips";
import { litOf } from "../../model/lit";
import { type Model, perFrame, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import {
  type MatchMessage,
  readLayerMap,
  readMatch,
  readPeaks,
  readPreviews,
  readPromoted,
  readTable,
  readTrees,
  type TableMessage,
  type TreesMessage,
} from "../../protocol/browser";
import type {
  CaptureProgress,
  Limits,
  NeuronBrowserRequest,
  NeuronBrowserTraits,
  Search,
  SearchKind,
} from "../../protocol/schema";
import { captionOf, type Preview } from "../../view/previews";
import { type Column, conceptColumn, matchColumn, promotedColumn, scoreColumn } from "./columns";
import { heldPreviews } from "./held-previews";
import { inView } from "./in-view";

/** Which neurons the table has, besides what the filters say. */
export type Only = "all" | "pinned" | "selected";

export type State = ReturnType<typeof createState>;

export function createState(model: Model, lifetime: AbortSignal) {
  const grips = gripsOf(model, lifetime, {
    same: () => true,
    keep: () => threshold.set(threshold.value),
    update: () => trait.update(),
  });
  const trait = traitsOf<NeuronBrowserTraits>(model, lifetime, grips.waits);
  const neuron = trait("neuron");
  const given = trait("_given");
  const neurons = trait("neurons");
  const selection = trait("selection");
  const pinned = trait("pinned");
  const notes = trait("notes");
  const threshold = trait("threshold");
  const sorting = trait("sorting");
  const filters = trait("filters");
  const searched = trait("searched");
  const status = trait("status", "always");
  const reading = trait("reading", "always");
  const library = trait("_library");
  const tableBytes = trait("_table");
  const treesBytes = trait("_trees");
  const mapBytes = trait("_map");
  const matchBytes = trait("_match");
  const promotedBytes = trait("_promoted");
  const previewsBytes = trait("_previews");
  const peaksBytes = trait("_peaks");

  const table = computed<TableMessage | null>(() => readTable(tableBytes.value));
  const trees = computed<TreesMessage | null>(() => readTrees(treesBytes.value));
  const map = computed(() => readLayerMap(mapBytes.value));
  const match = computed<MatchMessage | null>(() => {
    const message = readMatch(matchBytes.value);
    // Of another table: it comes with the next one.
    return message && message.value.length === table.value?.neuron.length ? message : null;
  });
  const promoted = computed(() => {
    const message = readPromoted(promotedBytes.value);
    return message && message.strongest.length === table.value?.neuron.length ? message : null;
  });
  const cells = computed(() => (map.value ? cellsOf(map.value) : null));
  const forest = computed<Forest | null>(() => (trees.value ? forestOf(trees.value) : null));

  const indices = computed(() => {
    const neurons = table.value?.neuron ?? new Int32Array();
    return new Map(Array.from(neurons, (number, i) => [number, i] as const));
  });
  /** The table's index of a neuron; -1: it has none. */
  const indexOf = (number: number): number => indices.value.get(number) ?? -1;
  /** The tree of each neuron, in the table's order; -1: not split. */
  const treeOf = computed(() => {
    const of = new Int32Array(table.value?.neuron.length ?? 0).fill(-1);
    forest.value?.neuron.forEach((number, m) => {
      const i = indexOf(number);
      if (i >= 0) of[i] = m;
    });
    return of;
  });

  /** Whether a concept has its label's colour, or one of its own. */
  const byLabel = computed(() => trees.value?.label != null && trees.value.labels.length > 0);
  /** The label of each sample that is a top sample; -1: none. */
  const labelOf = computed<Int16Array>(() => {
    const of = new Int16Array(table.value?.samples ?? 0).fill(-1);
    const { sample, label } = trees.value ?? {};
    if (sample && label) for (let i = 0; i < sample.length; i++) of[sample[i]] = label[i];
    return of;
  });
  /** The labels of top samples, the most frequent first. */
  const commonLabels = computed<number[]>(() => {
    const counts = new Int32Array(trees.value?.labels.length ?? 0);
    for (const code of labelOf.value) if (code >= 0) counts[code]++;
    return Array.from(counts.keys())
      .filter((code) => counts[code])
      .sort((a, b) => counts[b] - counts[a] || a - b);
  });

  /** The colour of each kind of concept: of each label, or of each place in a tree. */
  const colors = computed<readonly string[]>(() =>
    byLabel.value
      ? labelColors(table.value?.labels.length ?? 0, table.value?.colored ?? [])
      : COLORS,
  );

  /** The height of all cuts in steps; -1: each tree's own. */
  const step = computed(() =>
    threshold.value < 0 || !trees.value ? -1 : stepOf(threshold.value, trees.value.scale),
  );
  /** Concepts of each neuron at the present cut; NaN: not split. */
  const counts = computed<Float32Array>(() => {
    const own = table.value?.concepts ?? new Int32Array();
    // The table says it without the trees, whose lists take longer to make.
    if (step.value < 0) return Float32Array.from(own, (count) => (count < 0 ? Number.NaN : count));
    const out = new Float32Array(own.length).fill(Number.NaN);
    const all = forest.value;
    if (!all) return out;
    const ofTree = countsAt(all, step.value, new Uint16Array(all.count));
    treeOf.value.forEach((m, i) => {
      if (m >= 0) out[i] = ofTree[m];
    });
    return out;
  });
  const dragging = signal(false);
  let rested: Float32Array | null = null;
  /** The counts that rows are ranked by: they keep their places while a hand holds the slider. */
  const restedCounts = computed<Float32Array>(() => {
    const held = dragging.value && rested?.length === table.value?.neuron.length;
    if (!held) rested = counts.value;
    return rested as Float32Array;
  });

  const extra = signal<readonly string[]>([]);
  const columnOf = (name: string): Column | null => {
    if (name === "concepts") return conceptColumn(restedCounts.value);
    if (name === "match") return match.value && matchColumn(match.value);
    if (name === "promotes") return promoted.value && promotedColumn(promoted.value);
    return table.value && scoreColumn(table.value, name);
  };
  /** The scores that are shown, main ones first. */
  const scoreColumns = computed<Column[]>(() => {
    const main = table.value?.columns.filter((column) => column.main) ?? [];
    return [...main.map(({ name }) => name), ...extra.value]
      .map(columnOf)
      .filter((column) => column !== null);
  });

  /** Whether concepts have names. */
  const named = computed(() => table.value?.words.some((words) => words !== "") ?? false);

  const only = signal<Only>("all");
  const selectedMask = computed(() =>
    maskOf(indexOf, table.value?.neuron.length ?? 0, neurons.value),
  );
  const pinnedMask = computed(() => maskOf(indexOf, table.value?.neuron.length ?? 0, pinned.value));
  const limitMask = computed(() => {
    const limits = Object.entries(filters.value).flatMap(([name, ends]) => {
      const values = columnOf(name)?.values;
      return values ? [{ values, limits: ends }] : [];
    });
    return withinLimits(table.value?.neuron.length ?? 0, limits);
  });
  const ranking = computed<Int32Array>(() => {
    const { column, descending } = sorting.value;
    const n = table.value?.neuron.length ?? 0;
    const order = columnOf(column)?.values;
    if (order) return ranked(order, descending);
    return Int32Array.from({ length: n }, (_, i) => (descending ? n - 1 - i : i));
  });
  /** The table's rows, as indices, from first to last. */
  const rows = computed<Int32Array>(() => {
    const mask = { all: null, pinned: pinnedMask.value, selected: selectedMask.value }[only.value];
    return keptOf(ranking.value, [mask, limitMask.value]);
  });

  /** The sample and the neuron (as an index) under the pointer. */
  const hoverSample = signal<number | null>(null);
  const hoverNeuron = signal<number | null>(null);
  const hovered = computed(() => (hoverSample.value === null ? null : [hoverSample.value]));
  const litSamples = litOf(
    trait("lit", "always"),
    { hovered: () => hovered.value, selected: () => selection.value },
    lifetime,
  );
  /** Which neurons are lit on the map: those that have a lit sample on top, else those kept. */
  const lit = computed<Uint8Array | null>(() => {
    const message = table.value;
    if (!message) return null;
    if (!litSamples.value.length) return limitMask.value;
    const wanted = new Set(litSamples.value);
    const mask = new Uint8Array(message.neuron.length);
    message.top.forEach((row, at) => {
      if (wanted.has(row)) mask[Math.floor(at / message.tops)] = 1;
    });
    const all = trees.value;
    if (all)
      treeOf.value.forEach((m, i) => {
        if (m < 0) return;
        const from = m * all.width;
        for (let s = from; s < from + all.tops[m] && !mask[i]; s++)
          if (wanted.has(all.sample[s])) mask[i] = 1;
      });
    return mask;
  });

  const requests = requestsOf<NeuronBrowserRequest>(model, status, lifetime);
  const previews = heldPreviews((request) => model.send(request));
  const shown = inView((request) => model.send(request));
  const version = trait("_version");
  let of = version.value;
  const dispose = effect(() => {
    if (version.value !== of) {
      previews.clear();
      shown.clear();
    }
    of = version.value;
    shown.add(readPeaks(peaksBytes.value));
    const message = readPreviews(previewsBytes.value);
    if (message?.place.size) previews.add(message);
  });
  lifetime.addEventListener("abort", dispose);

  const setThreshold = perFrame<number>(lifetime, (value) => threshold.set(value));
  const toggled = (list: readonly number[], one: number): number[] =>
    list.includes(one) ? list.filter((other) => other !== one) : [...list, one];

  return {
    given,
    neuron,
    neurons,
    selection,
    pinned,
    notes,
    library,
    threshold,
    sorting,
    filters,
    table,
    trees,
    map,
    match,
    promoted,
    cells,
    forest,
    treeOf,
    byLabel,
    commonLabels,
    colors,
    step,
    counts,
    dragging,
    extra,
    columnOf,
    scoreColumns,
    named,
    only,
    selectedMask,
    rows,
    hoverSample,
    hoverNeuron,
    litSamples,
    lit,
    previews,
    inView: shown,
    indexOf,
    ...requests,

    /** How far the capture is; null where there is none. */
    reading: computed(() => ("state" in reading.value ? (reading.value as CaptureProgress) : null)),
    /** What was searched for; null: nothing. */
    searched: computed(() => ("kind" in searched.value ? (searched.value as Search) : null)),

    /** Cut all trees at a height, at most once per frame; -1: each at its own. */
    setThreshold,
    /** Take the slider; a newer picture from the kernel does not move it. */
    hold(event: PointerEvent) {
      grips.hold(event);
      dragging.value = true;
      const end = new AbortController();
      const release = () => {
        dragging.value = false;
        end.abort();
      };
      const until = { capture: true, signal: AbortSignal.any([end.signal, lifetime]) };
      for (const name of ["pointerup", "pointercancel"])
        window.addEventListener(name, release, until);
    },

    open(number: number) {
      neuron.set(number);
    },
    toggleSelected(number: number) {
      neurons.set(toggled(neurons.value, number));
    },
    togglePinned(number: number) {
      pinned.set(toggled(pinned.value, number));
    },
    toggleSample(row: number) {
      selection.set(toggled(selection.value, row));
    },
    /** Select the neurons at these indices, or add them to the selection. */
    select(chosen: Iterable<number>, more: boolean) {
      const known = table.value?.neuron ?? new Int32Array();
      const numbers = Array.from(chosen, (i) => known[i]);
      neurons.set(more ? Array.from(new Set([...neurons.value, ...numbers])) : numbers);
    },
    note(number: number, text: string) {
      const { [number]: _, ...others } = notes.value;
      notes.set(text.trim() ? { ...others, [number]: text.trim() } : others);
    },

    /** Sort by a column: first the side that is looked for, then the other one. */
    sortBy(column: string) {
      const { column: before, descending } = sorting.value;
      sorting.set({ column, descending: before === column ? !descending : column !== "neuron" });
    },
    limit(column: string, limits: Limits) {
      const { [column]: _, ...others } = filters.value;
      filters.set(
        limits[0] === null && limits[1] === null ? others : { ...others, [column]: limits },
      );
    },
    /** Show all neurons again. */
    showAll() {
      batch(() => {
        filters.set({});
        only.value = "all";
      });
    },

    search(kind: SearchKind, text: string, these: number[] = [], those: number[] = []) {
      requests.request({ type: "search.request", kind, text, these, those });
    },
    clearSearch() {
      requests.request({ type: "search.clear" });
    },

    /** Keep a concept of a neuron, at the present cut, under a name ("": its own). */
    addToLibrary(number: number, concept: number, size: number, name: string) {
      requests.request({ type: "library.pin", neuron: number, concept, size, name });
    },

    /** The top samples of the neuron at an index: rows of the activations. */
    topOf(i: number): number[] {
      const message = table.value;
      if (!message) return [];
      return Array.from(message.top.subarray(i * message.tops, (i + 1) * message.tops)).filter(
        (row) => row >= 0,
      );
    },
    /** The concepts of the neuron at an index: sizes, colours (null: of no label) and labels. */
    conceptsAt(i: number): { size: number; color: string | null; label: number }[] {
      const all = forest.value;
      const m = treeOf.value[i];
      if (!all || m < 0) return [];
      const kind = byLabel.value ? all.label : all.slot;
      return conceptsOf(all, m, step.value).map((c) => ({
        size: all.size[c],
        color: kind[c] < 0 ? null : colors.value[kind[c] % colors.value.length],
        label: all.label[c],
      }));
    },

    /** How a sample looks, as one of a neuron's top samples. */
    preview(row: number, number: number): Preview {
      const label = trees.value?.labels[labelOf.value[row] ?? -1];
      const caption = captionOf(label ?? null, null, row);
      const held = previews.of(row);
      if (!held) return { row, caption, picture: null, text: null };
      const { faces, at } = held;
      if (faces.kind === "image") return { row, caption, picture: held, text: null };
      const text = shown.peakOf(number, row) ?? faces.texts[at] ?? null;
      return { row, caption, picture: null, text };
    },
  };
}
