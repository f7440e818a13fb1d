/** The chosen neuron in SplitExplorer: a widget of its own inside of ours. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { WidgetView } from "../../model/model";
import type { State } from "./state";
import "./split.css";

export function Split({ state }: { state: State }) {
  const reference = state.explorer.value;
  if (!reference) return null;
  return (
    <section class="nw-inner" aria-label={state.splitOf.value}>
      <div class="nw-heading">
        <h3>{state.splitOf.value}</h3>
        <button type="button" onClick={() => state.request({ type: "split.close" })}>
          close
        </button>
      </div>
      <Embedded key={reference} state={state} reference={reference} />
    </section>
  );
}

const ELSEWHERE = "It cannot be shown here: run lab.explorer in a cell to see it.";

function Embedded({ state, reference }: { state: State; reference: string }) {
  const place = useRef<HTMLDivElement>(null);
  const said = useSignal("");
  useEffect(() => {
    let view: WidgetView | null = null;
    let gone = false;
    const show = (made: WidgetView | null) => {
      if (gone) made?.remove();
      else if (!made) said.value = ELSEWHERE;
      else {
        view = made;
        place.current?.append(made.el);
      }
    };
    state.embed(reference).then(show, () => show(null));
    return () => {
      gone = true;
      view?.remove();
    };
  }, []);
  return (
    <>
      {said.value && <p class="nw-quiet">{said.value}</p>}
      <div ref={place} />
    </>
  );
}
