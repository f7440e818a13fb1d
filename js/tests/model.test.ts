/** The version of the picture goes with what jslink sets, which knows nothing of it. */
import { expect, test } from "vitest";
import { type Model, traitsOf } from "../src/model/model";

function fake(values: Record<string, unknown>) {
  const heard = new Map<() => void, string>();
  const model: Model = {
    get: (name) => values[name],
    set: (name, value) => {
      values[name] = value;
    },
    save_changes: () => {},
    send: () => {},
    on: (event, act) => heard.set(act, event),
    off: (_event, act) => heard.delete(act),
  };
  const kernel = (changed: Record<string, unknown>) => {
    Object.assign(values, changed);
    fire("change");
  };
  // Those that listen as it begins, as Backbone does.
  const fire = (event: string) => {
    for (const [act, of] of [...heard]) if (of === event) act();
  };
  return { model, kernel, values, fire };
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

test("a closed widget's model drops what is large, and a view that ends alone does not", () => {
  const large = new DataView(new ArrayBuffer(8));
  const { model, values, fire } = fake({ _version: 3, _table: large, threshold: 1 });
  const [first, second] = [new AbortController(), new AbortController()];
  for (const lifetime of [first, second])
    traitsOf<{ _table: DataView; threshold: number }>(model, lifetime.signal)("_table");
  first.abort();
  fire("destroy");
  expect((values._table as DataView).byteLength).toBe(0);
  expect([values.threshold, values._version]).toEqual([1, 3]);
  values._table = large;
  second.abort();
  fire("destroy");
  expect(values._table).toBe(large);
});
