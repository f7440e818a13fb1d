/** The chosen neuron in SplitExplorer: a widget of its own inside of ours. */

import { Embedded } from "../../view/embedded";
import { NeedsKernel } from "../../view/needs-kernel";
import type { State } from "./state";
import "./split.css";

const ELSEWHERE = "It cannot be shown here: run lab.split(neuron) in a cell to see it.";

export function Split({ state }: { state: State }) {
  const reference = state.explorer.value;
  if (!reference) return null;
  return (
    <section class="nw-inner" aria-label={state.splitOf.value}>
      <div class="nw-heading">
        <h3>{state.splitOf.value}</h3>
        <NeedsKernel gone={state.gone.value}>
          <button
            type="button"
            onClick={({ currentTarget: button }) => {
              state.request({ type: "explorer.close" });
              button.closest(".nw-frame")?.querySelector<HTMLElement>(".nw-splits")?.focus();
            }}
          >
            close
          </button>
        </NeedsKernel>
      </div>
      <Embedded key={reference} reference={reference} embed={state.embed} elsewhere={ELSEWHERE} />
    </section>
  );
}
