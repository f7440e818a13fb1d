/** The version of the picture goes with what jslink sets, which knows nothing of it. */
import { expect, test } from "vitest";
import { type Model, traitsOf } from "../src/model/model";

function fake(values: Record<string, unknown>) {
  const heard = new Set<() => void>();
  const model: Model = {
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
    },
    save_changes: () => {},
    send: () => {},
    on: (_event, act) => heard.add(act),
    off: (_event, act) => heard.delete(act),
  };
  const kernel = (changed: Record<string, unknown>) => {
    Object.assign(values, changed);
    for (const act of heard) act();
  };
  return { model, kernel, values };
}

test("the view's version is the one on the screen", () => {
  const { model, kernel, values } = fake({ _version: 3, _view_version: 0, threshold: 1 });
  let held = false;
  const lifetime = new AbortController();
  const trait = traitsOf<{ threshold: number }>(model, lifetime.signal, () => held);
  const threshold = trait("threshold");
  expect(values._view_version).toBe(3);
  kernel({ _version: 4, threshold: 2 });
  expect(values._view_version).toBe(4);
  held = true;
  kernel({ _version: 5, threshold: 3 });
  expect([values._view_version, threshold.value]).toEqual([4, 2]);
  held = false;
  trait.update();
  expect([values._view_version, threshold.value]).toEqual([5, 3]);
});
