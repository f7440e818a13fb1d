/** Passes the samples under the pointer from one widget of a page to others, without the kernel. */
import type { Model } from "./model";

/** The trait that says which samples (rows of the activations) are lit in a widget. */
const LIT = "lit";

export function lit(model: Model, lifetime: AbortSignal) {
  let ended = new AbortController();
  lifetime.addEventListener("abort", () => ended.abort());
  return {
    /** Let the widgets that these references name light the same samples from now on. */
    between(references: readonly (string | null)[]) {
      ended.abort();
      ended = new AbortController();
      const { signal } = ended;
      const manager = model.widget_manager;
      if (!manager || lifetime.aborted) return;
      const named = references.filter((reference) => reference !== null);
      Promise.all(named.map((name) => manager.get_model(name.replace(/^IPY_MODEL_/, "")))).then(
        (models) => {
          if (!signal.aborted) follow(models as Model[], signal);
        },
        () => {
          /* A widget that is gone lights nothing. */
        },
      );
    },
  };
}

function follow(models: readonly Model[], ended: AbortSignal) {
  let passing = false;
  for (const source of models) {
    const pass = () => {
      if (passing) return;
      passing = true;
      const rows = source.get(LIT);
      // Set without saving: the page's views follow at once, and the kernel hears it from the one
      // under the pointer.
      for (const other of models) if (other !== source) other.set(LIT, rows);
      passing = false;
    };
    source.on(`change:${LIT}`, pass);
    ended.addEventListener("abort", () => source.off(`change:${LIT}`, pass));
  }
}
