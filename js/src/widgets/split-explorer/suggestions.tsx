/** The cuts that the data suggests, beside the tree: a click moves the line there. */
import { useMemo } from "preact/hooks";
import { counted, short } from "../../core/scale";
import { KINDS, ticksOf } from "../../core/ticks";
import { Tooltip, useDismissed } from "../../view/tooltip";
import type { State } from "./state";
import "./suggestions.css";

interface Props {
  state: State;
  /** The root's height. */
  top: number;
  /** How many pixels the tree is high. */
  tall: number;
}

export function Suggestions({ state, top, tall }: Props) {
  const suggestions = state.suggestions.value;
  const comb = state.comb.value;
  const { dismissed, shows } = useDismissed();
  const ticks = useMemo(
    () => ticksOf(suggestions, top, tall, comb),
    [suggestions, top, tall, comb],
  );
  return (
    <ul class={`nw-ticks ${dismissed ? "nw-dismissed" : ""}`} aria-label="suggested cuts">
      {ticks.map(({ threshold, concepts, best, words, reasons, at, y }) => {
        const count = best.includes("rest") ? "no concepts" : counted(concepts, "concept");
        const kinds = best.length ? best : ["gap"];
        return (
          <li key={threshold} style={{ top: `${y}px` }}>
            <button
              type="button"
              class={best.length ? "nw-best" : ""}
              aria-pressed={state.threshold.value === threshold}
              onClick={() => state.setThreshold(threshold)}
              {...shows}
            >
              <span class="nw-words">
                <b>{count}</b>
                {words.map((word) => (
                  <span key={word}>{word}</span>
                ))}
              </span>
              <span class="nw-hidden">
                , cut at {short(threshold)}: {reasons.join("; ")}
              </span>
              <i style={{ transform: `translateY(${at - y}px)` }} />
            </button>
            <Tooltip at={null} wide>
              <b>
                {count} at {short(threshold)}
              </b>
              {kinds.map((kind) => {
                const [word, sentence] = KINDS[kind] ?? [kind, ""];
                return (
                  <span key={kind}>
                    {best.length > 0 && <b>{word}: </b>}
                    {sentence}
                  </span>
                );
              })}
              <span class="nw-quiet">{reasons.join("; ")}</span>
            </Tooltip>
          </li>
        );
      })}
    </ul>
  );
}
