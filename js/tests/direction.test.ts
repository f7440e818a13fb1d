import { describe, expect, it } from "vitest";
import { directionOf, isolated } from "../src/core/direction";

describe("direction", () => {
  it.each([
    ["the cat sat", "ltr"],
    ["القط جلس على السجادة", "rtl"],
    ["החתול ישב", "rtl"],
    ["… 3. החתול (cat)", "rtl"],
    ["GPT هو نموذج", "ltr"],
    ["😀 42!", "ltr"],
    ["", "ltr"],
    ["中文", "ltr"],
    ["ދިވެހި", "rtl"],
    ["𞤀𞤣𞤤𞤢𞤥", "rtl"],
  ])("of %s is %s", (text, way) => expect(directionOf(text)).toBe(way));

  it("isolates names that need it, and no others", () => {
    expect(isolated("cat")).toBe("cat");
    expect(isolated("חתול")).toBe("\u2068חתול\u2069");
    expect(isolated("no. 3 (קטן)")).toBe("\u2068no. 3 (קטן)\u2069");
  });
});
