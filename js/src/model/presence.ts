/** Tells the kernel how many views of a widget the page has: one that has none is not kept in full. */
import type { ViewsCount } from "../protocol/schema";
import type { Model } from "./model";

/** Milliseconds in which a cell that was moved has its view again. */
const GRACE = 300;

/** By widget; every widget of a page has a module of its own, so it is the page's. */
const SHARED = Symbol.for("neuronwidgets.views");
type Page = { [SHARED]?: Map<string, number> };

function countsOf(page: Page): Map<string, number> {
  page[SHARED] ??= new Map();
  return page[SHARED];
}

/** How many views the page has, as the kernel is told it; null where the widget has no key. */
export function viewsOf(model: Model): ViewsCount | null {
  const key = model.get("_key");
  if (typeof key !== "string" || !key) return null;
  return { type: "views.count", count: countsOf(globalThis as Page).get(key) ?? 0 };
}

/** Count a view for its lifetime. */
export function present(model: Model, lifetime: AbortSignal): void {
  const key = model.get("_key");
  if (typeof key !== "string" || !key) return;
  const counts = countsOf(globalThis as Page);
  const count = () => counts.get(key) ?? 0;
  const tell = () => {
    try {
      model.send(viewsOf(model));
    } catch {
      /* no kernel: a page without one stays as it is */
    }
  };
  counts.set(key, count() + 1);
  tell();
  lifetime.addEventListener("abort", () => {
    counts.set(key, count() - 1);
    setTimeout(() => {
      tell();
      if (!count()) counts.delete(key);
    }, GRACE);
  });
}
