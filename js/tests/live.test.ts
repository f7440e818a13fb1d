import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Model } from "../src/model/model";
import { traitsOf } from "../src/model/model";
import { shareOf, spoken } from "../src/protocol/reading";
import type { CaptureProgress } from "../src/protocol/schema";
import { createState } from "../src/widgets/split-explorer/state";

/** A kernel's object whose traits the test sets, and which notes what a view sends. */
class Fake implements Model {
  saved: Record<string, unknown>[] = [];
  #listeners = new Map<string, Set<() => void>>();
  #pending: Record<string, unknown> = {};
  constructor(readonly traits: Record<string, unknown>) {}
  get(name: string) {
    return this.traits[name];
  }
  set(name: string, value: unknown) {
    if (this.traits[name] === value) return;
    this.#pending[name] = value;
    this.kernel({ [name]: value });
  }
  /** What the kernel sets. */
  kernel(traits: Record<string, unknown>) {
    Object.assign(this.traits, traits);
    for (const call of this.#listeners.get("change") ?? []) call();
  }
  save_changes() {
    this.saved.push(this.#pending);
    this.#pending = {};
  }
  send() {}
  on(event: string, call: () => void) {
    this.#listeners.set(event, (this.#listeners.get(event) ?? new Set()).add(call));
  }
  off(event: string, call: () => void) {
    this.#listeners.get(event)?.delete(call);
  }
}

const reading: CaptureProgress = {
  state: "running",
  samples: 3200,
  total: 10_000,
  rate: 412,
  tokens_rate: 0,
  left: 16,
  text: "reading: 3,200 of 10,000 samples",
};

describe("how far it is", () => {
  it("is a share where the end is known", () => {
    expect(shareOf(reading)).toBeCloseTo(0.32);
    expect(shareOf({ ...reading, total: null })).toBeNull();
    expect(shareOf({ ...reading, samples: 10_001 })).toBe(1);
  });
  it("is said aloud when it begins and when it ends", () => {
    const later = { ...reading, samples: 4000, text: "reading: 4,000 of 10,000 samples" };
    expect(spoken(later)).toBe(spoken(reading));
    expect(spoken({ ...reading, state: "done", text: "10,000 samples" })).toBe(
      "10,000 samples read",
    );
    expect(spoken({ ...reading, state: "failed", text: "stopped: no" })).toBe("stopped: no");
    const old = "400 samples · shown: the first 100, as a newer picture failed";
    expect(spoken({ ...reading, state: "done", text: old })).toMatch(/^400 samples read · shown/);
  });
});

describe("traits that wait", () => {
  it("take what the view sets, and the rest with update", () => {
    const model = new Fake({ a: 1, b: 1, _version: 3 });
    let waiting = false;
    type Traits = { a: number; b: number };
    const trait = traitsOf<Traits>(model, new AbortController().signal, () => waiting);
    const [a, b] = [trait("a"), trait("b")];
    waiting = true;
    model.kernel({ b: 2, _version: 4 });
    a.set(5);
    expect([a.value, b.value]).toEqual([5, 1]);
    // Set for what is on the screen, which the kernel has left behind.
    expect(model.saved.at(-1)).toEqual({ a: 5, _view_version: 3 });
    waiting = false;
    trait.update();
    expect([a.value, b.value]).toEqual([5, 2]);
    a.set(6);
    expect(model.saved.at(-1)).toEqual({ a: 6, _view_version: 4 });
  });
});

describe("a hand on the line", () => {
  const bytes = (name: string) => {
    const file = readFileSync(new URL(`../../tests/protocol/${name}.safetensors`, import.meta.url));
    return new DataView(file.buffer, file.byteOffset, file.byteLength);
  };
  const pointer = (type: string, pointerId: number) =>
    Object.assign(new Event(type), { pointerId }) as unknown as PointerEvent;
  const opened = () => {
    const model = new Fake({
      neuron: 0,
      top: 60,
      method: "ward",
      threshold: 5,
      refined: false,
      selection: [],
      names: {},
      status: { state: "idle", text: "", progress: 1 },
      reading: {},
      _tree: bytes("image-tree"),
      _evidence: null,
      _refinement: null,
      _held: false,
      _version: 1,
    });
    return { model, state: createState(model, new AbortController().signal) };
  };
  const anew = () => ({ _tree: bytes("text-tree"), threshold: 7, _version: 2 });
  beforeEach(() => Object.assign(globalThis, { window: new EventTarget() }));
  afterEach(() => Reflect.deleteProperty(globalThis, "window"));

  it("keeps the tree and the line until it lets go, and then the line", () => {
    const { model, state } = opened();
    state.hold(pointer("pointerdown", 4));
    expect(model.traits._held).toBe(true);
    const before = state.data.value;
    state.threshold.set(3);
    model.kernel({ ...anew(), reading });
    expect(state.data.value).toBe(before);
    expect(state.threshold.value).toBe(3);
    expect(state.reading.value?.samples).toBe(3200);
    window.dispatchEvent(pointer("pointerup", 9));
    expect(state.data.value).toBe(before);
    window.dispatchEvent(pointer("pointerup", 4));
    expect(state.data.value?.layer).toBe("layer.2");
    expect(state.threshold.value).toBe(3);
    expect(model.traits).toMatchObject({ _held: false, threshold: 3 });
  });

  it("lets another neuron through", () => {
    const { model, state } = opened();
    state.hold(pointer("pointerdown", 4));
    model.kernel({ ...anew(), neuron: 5 });
    expect(state.data.value?.layer).toBe("layer.2");
    expect(state.threshold.value).toBe(7);
    window.dispatchEvent(pointer("pointercancel", 4));
    expect(state.threshold.value).toBe(7);
  });

  it("has nothing to hold when it is away", () => {
    const { model, state } = opened();
    model.kernel(anew());
    expect(state.data.value?.layer).toBe("layer.2");
    expect(state.reading.value).toBeNull();
    model.kernel({ reading });
    expect(state.reading.value?.samples).toBe(3200);
  });
});
