/** Adds a concept of the chosen neuron to the library, under a name of the user's. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { grouped } from "../../core/scale";
import type { TableMessage } from "../../protocol/browser";
import { LibraryContents } from "../../view/library-line";
import { NeedsKernel } from "../../view/needs-kernel";
import type { State } from "./state";
import "./library.css";

/** Characters of a name. */
const LONG = 80;

export function LibraryLine({ state, table }: { state: State; table: TableMessage }) {
  const field = useRef<HTMLInputElement>(null);
  const picked = useSignal(0);
  const kept = state.library.value;
  /** The lists of all trees take long to make: the first rows do not wait for them. */
  const painted = useSignal(false);
  useEffect(() => {
    painted.value = true;
  }, []);
  // The neuron on the screen, else the one that was pinned last.
  const number = state.neuron.value ?? state.pinned.value.at(-1) ?? null;
  const concepts = number === null || !painted.value ? [] : state.conceptsAt(state.indexOf(number));
  if (!concepts.length && !kept.length) return null;
  const concept = Math.min(picked.value, concepts.length - 1);
  const add = () => {
    if (number === null || concept < 0) return;
    const name = field.current?.value.trim() ?? "";
    state.addToLibrary(number, concept, concepts[concept].size, name);
    if (field.current) field.current.value = "";
  };
  return (
    <section class="nw-library" aria-label="Library">
      {concepts.length > 0 && number !== null && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            add();
          }}
        >
          <label title="Which concept of the neuron, at the present cut, is to be kept?">
            Neuron {grouped(number)}:{" "}
            <select
              value={concept}
              onChange={({ currentTarget }) => {
                picked.value = Number(currentTarget.value);
              }}
            >
              {concepts.map(({ size, label }, c) => (
                <option key={c} value={c}>
                  concept {c + 1}, {size} samples
                  {label >= 0 && `, mostly ${table.labels[label]}`}
                </option>
              ))}
            </select>
          </label>
          <NeedsKernel gone={state.gone.value}>
            <input
              ref={field}
              type="text"
              class="nw-library-name"
              placeholder="a name, or empty for its own"
              aria-label="name in the library"
              maxLength={LONG}
              autocomplete="off"
              onKeyDown={(event) => {
                // JupyterLab keeps Enter from submitting.
                if (event.key !== "Enter") return;
                event.preventDefault();
                add();
              }}
            />
            <button type="submit">add to library</button>
          </NeedsKernel>
        </form>
      )}
      <LibraryContents kept={kept} variable="browser" />
    </section>
  );
}
