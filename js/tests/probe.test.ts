/** LiveProbe: its message, the changes that are in flight, and the brush. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backgroundOf } from "../src/core/background";
import { readReadings } from "../src/protocol/probe";
import { flightOf } from "../src/widgets/live-probe/flight";

const golden = (name: string): DataView => {
  const bytes = readFileSync(new URL(`../../tests/protocol/${name}`, import.meta.url));
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

describe("readings", () => {
  it("of a text have one segment for tokens that share a character", () => {
    const data = readReadings(golden("text-readings.safetensors"));
    const [first, second] = data?.slots ?? [];
    expect(first.segments).toEqual(["the", " köln", " 🙂"]);
    expect(Array.from(first.values)).toEqual([0.5, 2, 0.75]);
    expect(first.peak).toBe(1);
    const width = data?.concepts.length ?? 0;
    expect(first.each).toHaveLength(3 * width);
    // The emoji is its stronger token.
    expect(first.each[2 * width]).toBe((4 * width) / 8);
    expect(first.control).toHaveLength(width);
    expect(second).toMatchObject({ pooled: null, note: "nothing", segments: [], control: [] });
    expect(second.values).toHaveLength(0);
  });

  it("of an image have a map of the positions that count", () => {
    const first = readReadings(golden("image-readings.safetensors"))?.slots[0];
    expect(first?.grid).toBe(2);
    expect(Array.from(first?.values ?? [])).toEqual([0.5, 2, 0.25, 0.75]);
    expect(first?.peak).toBe(1);
  });

  it("may not have come yet", () => {
    expect(readReadings(null)).toBeNull();
    expect(readReadings(new DataView(new ArrayBuffer(0)))).toBeNull();
  });
});

describe("changes in flight", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());
  const made = () => {
    const sent: string[] = [];
    let asked = 0;
    const end = new AbortController();
    const flight = flightOf<string>(end.signal, {
      send: (value) => sent.push(value),
      ask: () => asked++,
    });
    return { flight, sent, end, asked: () => asked };
  };

  it("wait for the one before, and the latest wins", () => {
    const { flight, sent, asked } = made();
    for (const text of ["a", "ab", "abc"]) flight.change(text);
    expect(sent).toEqual(["a"]);
    flight.landed();
    expect(sent).toEqual(["a", "abc"]);
    flight.landed();
    flight.change("abcd");
    expect(sent).toEqual(["a", "abc", "abcd"]);
    flight.landed();
    vi.advanceTimersByTime(5000);
    expect(asked()).toBe(0);
  });

  it("that are not answered are asked for, and what waited is sent", () => {
    const { flight, sent, asked, end } = made();
    flight.change("a");
    flight.change("ab");
    vi.advanceTimersByTime(1100);
    expect(sent).toEqual(["a", "ab"]);
    expect(asked()).toBe(1);
    flight.change("abc");
    end.abort();
    vi.advanceTimersByTime(5000);
    expect(asked()).toBe(1);
  });
});

describe("the brush", () => {
  const image = (edge: number[], inside: number[]) => {
    const [width, height] = [4, 4];
    const data = Array.from({ length: 16 }, (_, i) => {
      const [x, y] = [i % 4, i >> 2];
      return x > 0 && x < 3 && y > 0 && y < 3 ? [...inside, 255] : [...edge, 255];
    }).flat();
    return { data, width, height };
  };
  it("covers with the colour of the edge and draws with one that shows on it", () => {
    expect(backgroundOf(image([0, 0, 0], [200, 9, 9]))).toEqual({
      color: "rgb(0, 0, 0)",
      opposite: "#ffffff",
    });
    expect(backgroundOf(image([250, 240, 230], [0, 0, 0]))).toEqual({
      color: "rgb(250, 240, 230)",
      opposite: "#000000",
    });
  });
});
