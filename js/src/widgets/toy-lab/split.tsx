/** The chosen neuron in SplitExplorer: a widget of its own inside of ours. */
import { Embedded } from "../../view/embedded";
import type { State } from "./state";
import "./split.css";

export function Split({ state }: { state: State }) {
  const reference = state.explorer.value;
  if (!reference) return null;
  return (
    <section class="nw-inner" aria-label={state.splitOf.value}>
      <div class="nw-heading">
        <h3>{state.splitOf.value}</h3>
        <button type="button" onClick={() => state.request({ type: "explorer.close" })}>
          close
        </button>
      </div>
      <Embedded key={reference} reference={reference} embed={state.embed} elsewhere={ELSEWHERE} />
    </section>
  );
}

const ELSEWHERE = "It cannot be shown here: run lab.explorer in a cell to see it.";
