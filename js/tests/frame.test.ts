import { expect, it } from "vitest";
import { unlike } from "../src/view/frame";

it("numbers landmarks that would have the same name", () => {
  expect(unlike(new Set(), "Split explorer")).toBe("Split explorer");
  expect(unlike(new Set(["Toy lab"]), "Split explorer")).toBe("Split explorer");
  const others = new Set(["Split explorer", "Split explorer 2", null]);
  expect(unlike(others, "Split explorer")).toBe("Split explorer 3");
});
