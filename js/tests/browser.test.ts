import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { countsAt, forestOf, stepOf } from "../src/core/forest";
import { COLORS, labelColors, OTHERS } from "../src/core/palette";
import { reslotted } from "../src/core/slots";
import type { Model } from "../src/model/model";
import { readMatch, readTable, readTrees } from "../src/protocol/browser";
import { otherScores, scoreColumn } from "../src/widgets/neuron-browser/columns";
import { layoutOf } from "../src/widgets/neuron-browser/layout";
import { createState } from "../src/widgets/neuron-browser/state";
import { pack, previews } from "./fake";
import { layerOf } from "./fake-layer";

const EMPTY = new DataView(new ArrayBuffer(0));

beforeEach(() => {
  vi.stubGlobal("window", new EventTarget());
  vi.stubGlobal("requestAnimationFrame", (act: () => void) => {
    act();
    return 0;
  });
  vi.stubGlobal("cancelAnimationFrame", () => {});
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** A view on a layer of 20 neurons (numbers 0, 2, ... 38), of which 16 are split. */
function view(more: Record<string, unknown> = {}, send: (content: unknown) => void = () => {}) {
  const layer = layerOf(20, { split: 16 });
  const values: Record<string, unknown> = {
    _table: layer.table,
    _trees: layer.trees,
    _map: layer.map,
    _match: EMPTY,
    _promoted: EMPTY,
    _previews: EMPTY,
    _peaks: EMPTY,
    _version: 1,
    status: { state: "idle", text: "", progress: 1 },
    reading: {},
    searched: {},
    neuron: null,
    neurons: [],
    lit: [],
    selection: [],
    pinned: [],
    notes: {},
    _library: [],
    threshold: -1,
    sorting: { column: "neuron", descending: false },
    filters: {},
    ...more,
  };
  const heard: Record<string, (() => void)[]> = {};
  const model: Model = {
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
    },
    save_changes: () => {
      for (const act of heard.change ?? []) act();
    },
    send,
    on: (event, act) => {
      heard[event] = [...(heard[event] ?? []), act];
    },
    off: () => {},
  };
  const lifetime = new AbortController();
  return { state: createState(model, lifetime.signal), values, layer, model };
}

const match = (values: Float32Array) =>
  pack({ value: values }, { title: "AUROC", about: "chance 0.5", note: "", segments: [] });

describe("the messages", () => {
  it("are read as they are described", () => {
    const { table, trees, holds } = layerOf(20, { split: 16 });
    const read = readTable(table);
    expect(read?.bins).toBe(4);
    expect(read?.tops).toBe(2);
    expect(read?.scores.get("skew")?.length).toBe(20);
    const forest = readTrees(trees);
    expect(forest?.width).toBe(12);
    expect(forest?.child).toEqual(holds.child);
    expect(readTrees(layerOf(20, { labels: [] }).trees)?.label).toBeNull();
    expect(readTable(EMPTY)).toBeNull();
    expect(readMatch(match(new Float32Array(2)))).toMatchObject({ q: null, token: null });
  });
});

describe("the table", () => {
  it("counts the concepts at each tree's own cut as the table says, else as the trees do", () => {
    const { state, layer } = view();
    expect(Array.from(state.counts.value.slice(0, 5))).toEqual([0, 1, 2, 3, 0]);
    expect(state.counts.value[16]).toBeNaN();
    state.setThreshold(2);
    const forest = forestOf(layer.holds);
    const wanted = countsAt(forest, stepOf(2, layer.holds.scale), new Uint16Array(16));
    expect(Array.from(state.counts.value.slice(0, 16))).toEqual(Array.from(wanted));
    expect(state.counts.value[19]).toBeNaN();
  });

  it("is sorted by a head, and the other way by the same again", () => {
    const { state } = view();
    state.sortBy("concepts");
    expect(Array.from(state.rows.value.slice(0, 4))).toEqual([3, 7, 11, 15]);
    expect(Array.from(state.rows.value.slice(16))).toEqual([16, 17, 18, 19]);
    state.sortBy("concepts");
    expect(state.rows.value[0]).toBe(0);
    expect(state.rows.value[19]).toBe(19);
    state.sortBy("neuron");
    state.sortBy("neuron");
    expect(state.rows.value[0]).toBe(19);
  });

  it("keeps its order while the slider is held", () => {
    const { state } = view({ sorting: { column: "concepts", descending: true } });
    const before = Array.from(state.rows.value);
    state.hold(Object.assign(new Event("pointerdown"), { pointerId: 1 }) as PointerEvent);
    state.setThreshold(6.9);
    expect(state.counts.value[3]).not.toBe(3);
    expect(Array.from(state.rows.value)).toEqual(before);
    window.dispatchEvent(Object.assign(new Event("pointerup"), { pointerId: 1 }));
    expect(Array.from(state.rows.value)).not.toEqual(before);
  });

  it("is filtered by limits, pins and the selection", () => {
    const { state, values } = view({ pinned: [4, 30], neurons: [6] });
    state.limit("concepts", [2, null]);
    expect(Array.from(state.rows.value)).toEqual([2, 3, 6, 7, 10, 11, 14, 15]);
    state.only.value = "pinned";
    expect(Array.from(state.rows.value)).toEqual([2, 15]);
    state.only.value = "selected";
    expect(Array.from(state.rows.value)).toEqual([3]);
    state.showAll();
    expect(state.rows.value.length).toBe(20);
    expect(values.filters).toEqual({});
    state.limit("concepts", [1, 2]);
    state.limit("concepts", [null, null]);
    expect(values.filters).toEqual({});
  });

  it("ignores a filter or an order of a column that it has not", () => {
    const { state } = view({
      filters: { gone: [3, null] },
      sorting: { column: "gone", descending: false },
    });
    expect(state.rows.value.length).toBe(20);
  });

  it("takes a match only where it has a value for each neuron", () => {
    const values = Float32Array.from({ length: 20 }, (_, i) => -i);
    const sorting = { column: "match", descending: true };
    expect(view({ _match: match(values), sorting }).state.rows.value[0]).toBe(0);
    expect(view({ _match: match(new Float32Array(3)), sorting }).state.match.value).toBeNull();
  });

  it("is sorted by the strongest effect on what a neuron promotes, where that is known", () => {
    expect(view().state.columnOf("promotes")).toBeNull();
    const classes = { kind: "class", names: ["a"], high: 3, poles: false };
    const effect = new Float32Array(20 * 2);
    for (let i = 0; i < 20; i++) effect.set(i % 2 ? [1, -i] : [i / 2, -0.5], 2 * i);
    effect.fill(Number.NaN, 2 * 19);
    const message = pack(
      { output: new Int32Array(20 * 2), effect },
      { lens: "jacobian", samples: 64, note: "", ...classes },
      { output: [20, 2, 1], effect: [20, 2, 1] },
    );
    const { state } = view({ _promoted: message });
    expect(state.columnOf("promotes")?.about).toContain("3 logits");
    expect(state.columnOf("promotes")?.about).toContain("over those of 64 samples");
    expect(layoutOf(state).noPromotes).toBe("");
    state.sortBy("promotes");
    expect([...state.rows.value].slice(0, 3)).toEqual([17, 15, 13]);
    expect(state.rows.value[19]).toBe(19);
    // A reason why nothing is known takes the column's place.
    const none = pack(
      { output: new Int32Array(20 * 2).fill(-1), effect: new Float32Array(40).fill(Number.NaN) },
      { lens: "logit", samples: 0, note: "too many classes", ...classes },
      { output: [20, 2, 1], effect: [20, 2, 1] },
    );
    const without = view({ _promoted: none }).state;
    expect(layoutOf(without).noPromotes).toBe("too many classes");
    expect(layoutOf(without).wide).toBeLessThan(layoutOf(state).wide);
    // On paper no column has a least width: together they are as wide as the paper.
    const { printed, template } = layoutOf(state);
    expect(printed).toMatch(/^(minmax\(0, \d+fr\) ?)+$/);
    expect(printed.match(/fr/g)?.length).toBe(template.split(/ (?![^(]*\))/).length);
    // Of another table.
    const few = pack(
      { output: new Int32Array(4), effect: new Float32Array(4) },
      { lens: "jacobian", samples: 64, note: "", ...classes },
      { output: [2, 2, 1], effect: [2, 2, 1] },
    );
    expect(view({ _promoted: few }).state.promoted.value).toBeNull();
  });

  it("shows other scores on demand, and p values with their scores", () => {
    const { state } = view();
    expect(state.scoreColumns.value.map(({ name }) => name)).toEqual(["geometry"]);
    const p = state.table.value?.scores.get("geometry_p");
    expect(state.scoreColumns.value[0].chance).toBe(p);
    expect(state.columnOf("geometry_p")?.chance).toBe(p);
    expect(state.columnOf("skew")?.chance).toBeNull();
    // The score and its z are of the same null.
    const scores = state.table.value?.scores ?? new Map();
    const columns = ["polysemanticity", "geometry_z"].map((name) => ({
      ...(state.table.value?.columns[0] as NonNullable<typeof state.table.value>["columns"][0]),
      name,
    }));
    for (const { name } of columns) scores.set(name, new Float32Array(4));
    const more = { ...state.table.value, scores, columns } as NonNullable<typeof state.table.value>;
    for (const { name } of columns) expect(scoreColumn(more, name)?.chance).toBe(p);
    const table = state.table.value as NonNullable<typeof state.table.value>;
    expect(otherScores(table).map(({ name }) => name)).toEqual(["skew"]);
    state.extra.value = ["skew"];
    expect(state.scoreColumns.value.map(({ name }) => name)).toEqual(["geometry", "skew"]);
  });
});

describe("what is chosen", () => {
  it("is said in numbers of neurons, not in places of the table", () => {
    const { state, values } = view();
    state.select([1, 3], false);
    expect(values.neurons).toEqual([2, 6]);
    state.select([3, 4], true);
    expect(values.neurons).toEqual([2, 6, 8]);
    state.toggleSelected(6);
    expect(values.neurons).toEqual([2, 8]);
    expect(Array.from(state.selectedMask.value.slice(0, 6))).toEqual([0, 1, 0, 0, 1, 0]);
    state.togglePinned(8);
    expect(values.pinned).toEqual([8]);
    state.note(8, "  odd ");
    expect(values.notes).toEqual({ 8: "odd" });
    state.note(8, " ");
    expect(values.notes).toEqual({});
    expect(view({ neurons: [1, 999] }).state.selectedMask.value).toEqual(new Uint8Array(20));
  });

  it("lights the neurons that have a sample on top", () => {
    const { state, layer } = view();
    expect(state.lit.value).toBeNull();
    const { sample, tops, width } = layer.holds;
    const row = sample[5 * width + tops[5] - 1];
    state.hoverSample.value = row;
    const has = (i: number) =>
      Array.from(sample.subarray(i * width, i * width + tops[i])).includes(row);
    const wanted = Array.from({ length: 20 }, (_, i) => Number(i < 16 && has(i)));
    expect(Array.from(state.lit.value as Uint8Array)).toEqual(wanted);
    expect(wanted[5]).toBe(1);
    state.hoverSample.value = null;
    state.selection.set([517]);
    expect((state.lit.value as Uint8Array)[17]).toBe(1);
  });
});

describe("colours", () => {
  it("of labels are the palette's, of those beyond it one grey", () => {
    const names = Array.from({ length: 15 }, (_, i) => `label ${i}`);
    const layer = layerOf(20, { split: 16, labels: names });
    const { state } = view({ _table: layer.table, _trees: layer.trees });
    expect(state.colors.value.slice(0, 12)).toEqual([...COLORS]);
    expect(state.colors.value.slice(12)).toEqual([OTHERS, OTHERS, OTHERS]);
    expect(COLORS).not.toContain(OTHERS);
    for (const { color, label } of state.conceptsAt(0))
      expect(color).toBe(label < 0 ? null : state.colors.value[label]);
  });

  it("of concepts without labels are their places in the tree", () => {
    const layer = layerOf(20, { split: 16, labels: [] });
    const { state } = view({ _table: layer.table, _trees: layer.trees });
    expect(state.colors.value).toEqual(COLORS);
    expect(state.conceptsAt(0).every(({ color }) => COLORS.some((own) => own === color))).toBe(
      true,
    );
  });

  it("go to the labels that are named", () => {
    expect(labelColors(3, [2, 0])).toEqual([COLORS[1], OTHERS, COLORS[0]]);
  });
});

describe("the search", () => {
  it("says that it needs the kernel where there is none", () => {
    const { state } = view({}, () => {
      throw new Error("gone");
    });
    state.search("name", "cat");
    expect(state.status.value).toMatchObject({ state: "error" });
    expect(state.status.value.text).toContain("kernel");
  });
});

describe("rows in view", () => {
  const peaks = (neuron: number, row: number, peak: string) =>
    pack(
      {
        neuron: Int32Array.of(neuron),
        face: Int32Array.of(row),
        value: Float32Array.of(0, 2, 1),
      },
      {
        kind: "text",
        segments: [["so ", peak, " then"]],
        values: [3],
        peaks: [1],
        cut: [false],
      },
    );

  it("are asked for once, and show where each neuron's activation peaks", () => {
    const sent: unknown[] = [];
    const { state, values, model } = view({ _previews: previews(7) }, (content) =>
      sent.push(content),
    );
    state.inView.look([4, 2]);
    state.inView.look([4, 2]);
    state.inView.look([]);
    expect(sent).toEqual([{ type: "rows.request", neurons: [4, 2] }]);
    expect(state.preview(7, 4).text?.peak).toBe(-1);
    values._peaks = peaks(4, 7, "dog");
    model.save_changes();
    values._peaks = peaks(2, 7, "cat");
    model.save_changes();
    const peakOf = (number: number) => {
      const text = state.preview(7, number).text;
      return text?.segments[text.peak];
    };
    expect([peakOf(4), peakOf(2), peakOf(6)]).toEqual(["dog", "cat", undefined]);
    // A newer picture has other samples in these rows.
    Object.assign(values, { _version: 2, _peaks: EMPTY });
    model.save_changes();
    expect(state.inView.peakOf(4, 7)).toBeNull();
    state.inView.look([4, 2]);
    expect(sent.length).toBe(2);
  });

  it("are not asked for without a kernel", () => {
    let asked = 0;
    const { state } = view({}, () => {
      asked++;
      throw new Error("gone");
    });
    state.inView.look([1]);
    state.inView.look([2]);
    expect(asked).toBe(1);
  });

  it("say which late scores are not there yet", () => {
    const layer = layerOf(20, { split: 16, late: true });
    const { state } = view({ _table: layer.table });
    const [column] = state.scoreColumns.value;
    expect(Array.from(column.pending ?? [])).toEqual(
      Array.from({ length: 20 }, (_, i) => Number(i >= 16)),
    );
    expect(view().state.scoreColumns.value[0].pending).toBeNull();
  });
});

it("a concept is added to the library as it is on the screen", () => {
  const sent: unknown[] = [];
  const { state } = view({}, (content) => sent.push(content));
  state.setThreshold(2);
  const i = state.counts.value.findIndex((count) => count > 1);
  const [, second] = state.conceptsAt(i);
  state.addToLibrary(2 * i, 1, second.size, "wheels");
  expect(sent).toEqual([
    { type: "library.pin", neuron: 2 * i, concept: 1, size: second.size, name: "wheels" },
  ]);
});

it("a row that stays keeps its element, and new ones take the free ones", () => {
  const first = reslotted(new Map(), [5, 6, 7]);
  expect(Array.from(first)).toEqual([
    [5, 0],
    [6, 1],
    [7, 2],
  ]);
  const next = reslotted(first, [7, 8, 9, 10]);
  expect(next.get(7)).toBe(2);
  expect(new Set(next.values()).size).toBe(4);
  expect(Math.max(...next.values())).toBe(3);
});
