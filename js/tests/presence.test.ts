import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Model } from "../src/model/model";
import { present } from "../src/model/presence";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function fake(key: unknown, sent: unknown[], send = (content: unknown) => void sent.push(content)) {
  const nothing = () => {};
  const get = (name: string) => (name === "_key" ? key : undefined);
  return { get, set: nothing, save_changes: nothing, send, on: nothing, off: nothing } as Model;
}

function view(model: Model): AbortController {
  const lifetime = new AbortController();
  present(model, lifetime.signal);
  return lifetime;
}

const counts = (...all: number[]) => all.map((count) => ({ type: "views.count", count }));

it("says how many views there are, and that there are none only when that has lasted", () => {
  const sent: unknown[] = [];
  // Every view gets its own proxy of the model, and its own copy of this module may, too.
  const first = view(fake("a", sent));
  const second = view(fake("a", sent));
  expect(sent).toEqual(counts(1, 2));
  first.abort();
  vi.advanceTimersByTime(2000);
  expect(sent).toEqual(counts(1, 2, 1));
  // A cell that is moved: its view is gone for a moment.
  second.abort();
  vi.advanceTimersByTime(200);
  const third = view(fake("a", sent));
  vi.advanceTimersByTime(2000);
  expect(sent.slice(3)).toEqual(counts(1, 1));
  third.abort();
  vi.advanceTimersByTime(2000);
  expect(sent.slice(5)).toEqual(counts(0));
  view(fake("a", sent));
  expect(sent.slice(6)).toEqual(counts(1));
});

it("counts each widget for itself, and not those without a key", () => {
  const [one, other, none]: unknown[][] = [[], [], []];
  const [first, second, third] = [
    view(fake("b", one)),
    view(fake("c", other)),
    view(fake(undefined, none)),
  ];
  second.abort();
  third.abort();
  vi.advanceTimersByTime(2000);
  expect([one, other, none]).toEqual([counts(1), counts(1, 0), []]);
  first.abort();
});

it("does without a kernel", () => {
  const gone = view(
    fake("d", [], () => {
      throw new Error("This page has no kernel.");
    }),
  );
  gone.abort();
  expect(() => vi.advanceTimersByTime(2000)).not.toThrow();
});
