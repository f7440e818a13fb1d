import { expect, it } from "vitest";
import { factsOf } from "../src/core/facts";

type Facts = Parameters<typeof factsOf>;

const data = { labels: ["Sports", "Arts"], faces: { kind: "text" } } as unknown as Facts[0];
const concept = {
  size: 30,
  sources: 30,
  purity: 0.97,
  labelled: 30,
  label: 0,
  common: false,
  reassigned: 0,
  outliers: 0,
} as unknown as Facts[1];
/** Without the marks that keep a name's direction. */
const said = (more: Partial<Facts[1]>) =>
  factsOf(data, { ...concept, ...more })
    .join(" · ")
    .replace(/[\u2066-\u2069]/g, "");

it("says of a label whether all top samples have it", () => {
  expect(said({})).toBe("30 samples · 97% Sports");
  expect(said({ common: true })).toBe("30 samples · 97% Sports, as all");
  expect(said({ common: true, labelled: 12 })).toBe(
    "30 samples · 97% Sports of 12 labelled, as all",
  );
});

it("says the texts of its samples, and what k-means did", () => {
  expect(said({ sources: 1, label: -1 })).toBe("30 samples of 1 text");
  expect(said({ label: -1, reassigned: 2, outliers: 1 })).toBe(
    "30 samples · 2 reassigned · 1 outlier",
  );
});
