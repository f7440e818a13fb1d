import { describe, expect, it } from "vitest";
import { call, literal, settings } from "../src/core/python";

describe("literal", () => {
  it("writes values as Python does", () => {
    expect(literal(null)).toBe("None");
    expect(literal(true)).toBe("True");
    expect(literal(false)).toBe("False");
    expect(literal(0.1)).toBe("0.1");
    expect(literal(1e-7)).toBe("1e-7");
    expect(literal(-0)).toBe("0");
    expect(literal(Number.POSITIVE_INFINITY)).toBe('float("inf")');
    expect(literal(Number.NaN)).toBe('float("nan")');
    expect(literal('a "b"\n\\ ü')).toBe('"a \\"b\\"\\n\\\\ ü"');
    expect(literal([1, [2, "x"]])).toBe('[1, [2, "x"]]');
    expect(literal({ "3": "left", b: null })).toBe('{"3": "left", "b": None}');
  });
});

describe("call", () => {
  it("puts variables first and leaves out what is undefined", () => {
    expect(call("nw.SplitExplorer", ["acts"], { neuron: 17, top: undefined, method: "ward" })).toBe(
      'nw.SplitExplorer(acts, neuron=17, method="ward")',
    );
    expect(call("nw.ToyLab", [])).toBe("nw.ToyLab()");
  });
});

describe("settings", () => {
  it("sets attributes, a line each", () => {
    expect(settings("explorer", { names: { "5": "hats" }, selection: undefined })).toEqual([
      'explorer.names = {"5": "hats"}',
    ]);
  });
});
