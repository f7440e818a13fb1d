import { describe, expect, it } from "vitest";
import { histogram, tallest } from "../src/core/histogram";
import { driversOf, kindOf, respondersOf, responseAt, sentence } from "../src/core/responses";
import { fixed, tenths } from "../src/core/scale";
import { lastKept, nearestStep, stepTicks, stillAt, unitOfStep } from "../src/core/steps";
import { readCheckpoints, readPicture } from "../src/protocol/toy";
import { luminance } from "../src/view/color";
import { inkOn } from "../src/widgets/toy-lab/badge";
import { nextStop, timeLeft } from "../src/widgets/toy-lab/header";
import { GROUPS, readNumber, written } from "../src/widgets/toy-lab/knobs";
import { pack, stillOf } from "./fake";

describe("steps", () => {
  it("stand on a logarithmic axis that has a place for 0", () => {
    expect(unitOfStep(0, 1023)).toBe(0);
    expect(unitOfStep(31, 1023)).toBeCloseTo(0.5, 12);
    expect(unitOfStep(1023, 1023)).toBe(1);
    expect(unitOfStep(5000, 1023)).toBe(1);
    expect(unitOfStep(0, 0)).toBe(0);
  });
  it("are written at the powers of ten", () => {
    expect(stepTicks(2560)).toEqual([0, 1, 10, 100, 1000]);
    expect(stepTicks(1)).toEqual([0, 1]);
  });
  it("are kept at 0, the powers of two and the end", () => {
    expect([0, 1, 3, 64, 100, 2560, 2559].map((step) => lastKept(step, 2560))).toEqual([
      0, 1, 2, 64, 64, 2560, 2048,
    ]);
  });
  it("have the last still at or before", () => {
    const stills = [0, 1, 2, 4].map((step) => ({ step }));
    expect(stillAt(stills, 3)?.step).toBe(2);
    expect(stillAt(stills, 99)?.step).toBe(4);
    expect(stillAt([], 3)).toBeUndefined();
  });
  it("are found by their place", () => {
    const places = [0, 1, 2, 4, 8];
    for (const [i, step] of places.entries())
      expect(nearestStep(places, unitOfStep(step, 100), 100)).toBe(i);
    expect(nearestStep(places, 1, 100)).toBe(4);
    expect(nearestStep([7], 0, 100)).toBe(0);
  });
});

describe("one neuron", () => {
  it("ranks what drives it, and what is left over", () => {
    const still = stillOf([[10, 0, -30, 60]], { featureOf: Int32Array.from([7, 5, 3, 1]) });
    const { first, more, rest } = driversOf(still, 0, 2);
    expect(first).toEqual([
      { index: 1, value: 60 },
      { index: 3, value: -30 },
    ]);
    expect([more, rest]).toEqual([1, 0.1]);
  });
  it("is found in the order of its layer", () => {
    const still = stillOf(
      [
        [0, 9],
        [0, 3],
        [4, 9],
      ],
      { neuronOf: Int32Array.from([2, 1, 0]), peak: 1 },
    );
    expect(respondersOf(still, 1, 12).first.map(({ index }) => index)).toEqual([0, 2, 1]);
    expect(responseAt(still, 0, 1)).toBeCloseTo(9 / 127);
  });
  it.each([
    [[127, 0, 0], "One feature has all of it: monosemantic."],
    [[0, 0, 0], "Dead: no feature moves it."],
    [[90, 5, 5], "One feature has 90% of it; monosemantic is over 99.9%."],
    [[50, 40, 10], "2 features have 90% of it: polysemantic."],
    [[10, 10, 10], "3 features have 90% of it: polysemantic."],
    [[1], "There is one feature only: monosemantic."],
  ])("%j: %s", (row, text) => expect(sentence(stillOf([row]), 0)).toBe(text));
  it.each([
    [0.9997, "One feature has 99.97% of it: monosemantic."],
    [0.99995, "One feature has over 99.99% of it: monosemantic."],
    [1.5, "One feature has all of it and others push it below 0: monosemantic."],
    [Number.NaN, "Its responses are not numbers: training diverged."],
  ])("with a share of %d: %s", (share, text) => {
    const still = stillOf([[127, 0]], { share: Float32Array.of(share) });
    expect(sentence(still, 0)).toBe(text);
  });
  it("is not dead for being weak", () => {
    const still = stillOf([[0, 0]], { share: Float32Array.of(0.5) });
    expect(sentence(still, 0)).toContain("Too weak");
    expect(kindOf(still, 0)).toBe("polysemantic");
    expect(driversOf(still, 0, 12)).toEqual({ first: [], more: 0, rest: 0 });
  });
});

describe("biases", () => {
  const rows = [
    [9, 0],
    [5, 4],
    [0, 0],
  ];
  it("are counted by kind, in bins that the runs share", () => {
    const a = stillOf(rows, { bias: Float32Array.of(-1, -0.55, 0.25) });
    const b = stillOf([[1, 1]], { bias: Float32Array.of(-2) });
    const made = histogram([a, b]);
    expect(made.width).toBe(0.1);
    expect(made.low).toBeCloseTo(-2);
    const places = (counts: Int32Array) =>
      Array.from(counts.entries()).flatMap(([i, n]) => (n ? [i] : []));
    expect(places(made.counts[0].monosemantic)).toEqual([10]);
    expect(places(made.counts[0].polysemantic)).toEqual([14]);
    expect(places(made.counts[0].dead)).toEqual([22]);
    expect(places(made.counts[1].polysemantic)).toEqual([0]);
    expect([tallest(made, 0), tallest(made, 1)]).toEqual([1, 1]);
  });
  it("have bins that hold 0 even where all are equal, and not too many of them", () => {
    const equal = histogram([stillOf(rows, { bias: new Float32Array(3) })]);
    expect(equal.low).toBeLessThanOrEqual(0);
    expect(equal.low + equal.bins * equal.width).toBeGreaterThan(0);
    expect(tallest(equal, 0)).toBe(3);
    const far = histogram([stillOf(rows, { bias: Float32Array.of(-1e6, 3, 1e30) })]);
    expect(far.bins).toBeLessThan(40);
    expect(tallest(far, 0)).toBeGreaterThan(0);
  });
  it("leave out what is not a number", () => {
    const made = histogram([
      stillOf(rows, { bias: Float32Array.of(Number.NaN, Infinity, -Infinity) }),
    ]);
    expect(tallest(made, 0)).toBe(0);
    expect(made.bins).toBeLessThan(40);
  });
});

describe("messages", () => {
  const still = {
    step: 4,
    peak: 2,
    monosemantic: 1,
    faint: 0,
    covered: 1,
    dead: 0,
    diverged: false,
    meanBias: -1,
    loss: null,
  };
  const arrays = (many: number, r: number) => ({
    [`A${r}`]: Int8Array.from({ length: 6 * many }, (_, i) => i),
    [`neurons${r}`]: Int32Array.from({ length: 2 * many }, (_, i) => i % 2),
    [`features${r}`]: Int32Array.from({ length: 3 * many }, (_, i) => i % 3),
    [`bias${r}`]: new Float32Array(2 * many),
    [`share${r}`]: new Float32Array(2 * many),
  });
  const run = { name: "A", color: "#4477AA", title: "", steps: 8, speed: 0, done: false };

  it("hold a run without a log", () => {
    const log = {
      log_step0: new Int32Array(),
      log_loss0: new Float64Array(),
      log_mono0: new Int32Array(),
      log_bias0: new Float64Array(),
    };
    const meta = { runs: [{ ...run, ...still, features: 3, neurons: 2 }] };
    const [read] = readPicture(pack({ ...arrays(1, 0), ...log }, meta, { A0: [2, 3] }), []);
    expect([read.now.neurons, read.now.features, read.now.step]).toEqual([2, 3, 4]);
    expect(read.log.step.length).toBe(0);
    expect(read.now.loss).toBeNull();
  });
  it("hold the stills of a run", () => {
    const meta = { runs: [{ stills: [{ ...still, step: 0 }, still] }, { stills: [] }] };
    const read = readCheckpoints(pack(arrays(2, 0), meta, { A0: [2, 2, 3] }));
    expect(read.map((stills) => stills.length)).toEqual([2, 0]);
    expect(Array.from(read[0][1].A)).toEqual([6, 7, 8, 9, 10, 11]);
    expect(Array.from(read[0][1].featureOf)).toEqual([0, 1, 2]);
    // A picture of one moment with them has its model there.
    const log = {
      log_step0: new Int32Array(),
      log_loss0: new Float64Array(),
      log_mono0: new Int32Array(),
      log_bias0: new Float64Array(),
    };
    const runs = [{ ...run, ...still, features: 3, neurons: 2, kept: true }];
    expect(readPicture(pack(log, { runs }), read)[0].now).toBe(read[0][1]);
  });
  it("may not be there yet", () => {
    expect(readPicture(null, [])).toEqual([]);
    expect(readCheckpoints(new DataView(new ArrayBuffer(0)))).toEqual([]);
  });
});

describe("numbers", () => {
  it.each([
    [0.1519, "15.2%"],
    [0, "0.0%"],
    [0.0001, "<0.1%"],
    [12.5, "1,250.0%"],
    [null, "–"],
    [Infinity, "–"],
  ])("%d is %s", (value, text) => expect(tenths(value)).toBe(text));
  it("have a true minus sign, but not before 0", () => {
    expect(fixed(-0.254, 2)).toBe("−0.25");
    expect(fixed(-0.001, 2)).toBe("0.00");
    expect(fixed(null, 2)).toBe("–");
  });
  it("are typed as they are written", () => {
    expect(written("eps", 1 / 64)).toBe("1/64");
    expect(written("eps", 0.3)).toBe("0.3");
    expect(written("eps", 1)).toBe("1");
    expect(written("steps", 131072)).toBe("131072");
    expect(written("bias", -1)).toBe("−1");
    for (const text of ["1/64", "0.015625", "0,015625"]) expect(readNumber(text)).toBe(1 / 64);
    expect(readNumber("−1")).toBe(-1);
    for (const text of ["", "/", "1/", "x", "1/2/3", "1,000", "1/0", "Infinity", "1e400"])
      expect(readNumber(text)).toBeNaN();
  });
});

describe("training in words", () => {
  const run = (step: number, steps: number) => ({
    now: stillOf([[1]], { step }),
    steps,
    done: step === steps,
  });
  it("leads to the power of two after the run that is furthest behind", () => {
    expect([0, 1, 2, 3, 64, 100].map((step) => nextStop([run(step, 300)]))).toEqual([
      1, 2, 4, 4, 128, 128,
    ]);
    expect(nextStop([run(5, 300), run(70, 300)])).toBe(8);
    expect(nextStop([run(300, 300), run(70, 300)])).toBe(128);
    expect(nextStop([run(257, 300)])).toBe(300);
    expect(nextStop([run(300, 300)])).toBe(300);
    expect(nextStop([])).toBe(1);
  });
  it("says what is left in a unit that one can read", () => {
    expect([0.2, 12.4, 89, 90, 600, 7200].map(timeLeft)).toEqual([
      "1 s left",
      "12 s left",
      "89 s left",
      "2 min left",
      "10 min left",
      "2 h left",
    ]);
    expect(timeLeft(null)).toBe("");
  });
  it("has every knob in one group, once", () => {
    const names = GROUPS.flatMap(({ main, more }) => [...main, ...more].map(({ name }) => name));
    expect(new Set(names).size).toBe(16);
    expect(names.length).toBe(16);
  });
  it("can be read on the colours of both runs", () => {
    const light = (hex: string) =>
      luminance([1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
    for (const color of ["#4477AA", "#EE7733", "#595959", "#777777", "#000000", "#ffffff"]) {
      const ink = inkOn(color) === "#000" ? 0 : 1;
      const [high, low] = [Math.max(ink, light(color)), Math.min(ink, light(color))];
      expect((high + 0.05) / (low + 0.05)).toBeGreaterThan(4.5);
    }
  });
});
