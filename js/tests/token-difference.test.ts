/** Two texts token by token. */
import { describe, expect, it } from "vitest";
import { differences } from "../src/core/token-difference";

const of = (text: string, from = 0) => {
  const segments = text.split(/(?= )/);
  return { segments, values: segments.map((_, i) => from + i) };
};
const words = (a: string, b: string) =>
  differences(of(a), of(b, 10)).map(
    ({ token, first, second }) =>
      `${first === null ? "+" : second === null ? "-" : ""}${token.trim()}`,
  );

describe("differences", () => {
  it("pairs the tokens of equal texts", () => {
    expect(differences(of("a b"), of("a b", 10))).toEqual([
      { token: "a", first: 0, second: 10 },
      { token: " b", first: 1, second: 11 },
    ]);
  });
  it("finds a word that was replaced, one that was added and one that is gone", () => {
    expect(words("the red house stands", "the old house stands")).toEqual([
      "the",
      "-red",
      "+old",
      "house",
      "stands",
    ]);
    expect(words("a c", "a b c")).toEqual(["a", "+b", "c"]);
    expect(words("a b c", "a c")).toEqual(["a", "-b", "c"]);
  });
  it("keeps words apart where the second text begins behind the first", () => {
    const read = (a: string, b: string) =>
      differences(of(a), of(b))
        .map(({ token }) => token)
        .join("");
    expect(read("go again", "The end")).toBe("go again The end");
    expect(read("the house", "house")).toBe("the house");
    expect(read("house", "the house")).toBe("the house");
  });
  it("takes a text against none", () => {
    const none = { segments: [], values: [] };
    expect(differences(none, of("x y"))).toHaveLength(2);
    expect(differences(of("x y"), none).every(({ second }) => second === null)).toBe(true);
    expect(differences(none, none)).toEqual([]);
  });
  it("keeps each text in its order, whatever the texts", () => {
    const [a, b] = ["a b c a b d a", "b a c d a a b"];
    const merged = differences(of(a), of(b, 10));
    const kept = (side: "first" | "second") =>
      merged.filter((one) => one[side] !== null).map((one) => one[side]);
    expect(kept("first")).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(kept("second")).toEqual([10, 11, 12, 13, 14, 15, 16]);
    expect(merged.filter((one) => one.first !== null && one.second !== null)).toHaveLength(4);
  });
  it("does not stop at thousands of tokens", () => {
    const long = Array.from({ length: 4000 }, (_, i) => `w${i}`);
    const values = new Float32Array(4000);
    const merged = differences({ segments: long, values }, { segments: long.toReversed(), values });
    expect(merged.filter((one) => one.first !== null)).toHaveLength(4000);
  });
});
