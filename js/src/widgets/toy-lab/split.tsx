/** The chosen neuron in SplitExplorer: a widget of its own inside of ours. */
<<<<<<< HEAD
import { Embedded } from "../../view/embedded";
=======

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { NeedsKernel } from "../../view/needs-kernel";
>>>>>>> main
import type { State } from "./state";
import "./split.css";

export function Split({ state }: { state: State }) {
  const reference = state.explorer.value;
  if (!reference) return null;
  return (
    <section class="nw-inner" aria-label={state.splitOf.value}>
      <div class="nw-heading">
        <h3>{state.splitOf.value}</h3>
        <NeedsKernel gone={state.gone.value}>
          <button type="button" onClick={() => state.request({ type: "explorer.close" })}>
            close
          </button>
        </NeedsKernel>
      </div>
      <Embedded key={reference} reference={reference} embed={state.embed} elsewhere={ELSEWHERE} />
    </section>
  );
}

<<<<<<< HEAD
const ELSEWHERE = "It cannot be shown here: run lab.explorer in a cell to see it.";
=======
const ELSEWHERE = "It cannot be shown here: run lab.split(neuron) in a cell to see it.";

function Embedded({ state, reference }: { state: State; reference: string }) {
  const box = useRef<HTMLDivElement>(null);
  const problem = useSignal("");
  useEffect(() => {
    const shown = new AbortController();
    const end = (there: boolean) => {
      if (!there && !shown.signal.aborted) problem.value = ELSEWHERE;
    };
    if (box.current) state.embed(reference, box.current, shown.signal).then(end, () => end(false));
    return () => shown.abort();
  }, []);
  return (
    <>
      {problem.value && <p class="nw-quiet">{problem.value}</p>}
      <div ref={box} />
    </>
  );
}
>>>>>>> main
