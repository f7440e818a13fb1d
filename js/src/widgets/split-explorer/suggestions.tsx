/** The cuts that the data suggests, beside the tree: a click moves the line there. */
import { useMemo } from "preact/hooks";
import { short } from "../../core/scale";
import { ticksOf } from "../../core/ticks";
import { Tooltip } from "../../view/tooltip";
import type { State } from "./state";
import "./suggestions.css";

interface Props {
  state: State;
  /** The root's height. */
  top: number;
  /** How many pixels the tree is high. */
  tall: () => number;
}

export function Suggestions({ state, top, tall }: Props) {
  const suggestions = state.suggestions.value;
  const ticks = useMemo(() => ticksOf(suggestions, top, tall()), [suggestions, top]);
  return (
    <ul class="nw-ticks" aria-label="suggested cuts">
      {ticks.map(({ threshold, concepts, best, words, reasons, at, y }) => {
        const said = `${concepts} ${concepts === 1 ? "concept" : "concepts"} at ${short(threshold)}`;
        return (
          <li key={threshold} style={{ top: `${y}px` }}>
            <button
              type="button"
              class={best.length ? "nw-best" : ""}
              aria-label={`cut into ${said}: ${reasons.join("; ")}`}
              aria-pressed={state.threshold.value === threshold}
              onClick={() => state.setThreshold(threshold)}
            >
              <span class="nw-words">
                {words.map((word) => (
                  <span key={word}>{word}</span>
                ))}
              </span>
              <b>{concepts}</b>
              <i style={{ transform: `translateY(${at - y}px)` }} />
            </button>
            <Tooltip at={null} wide>
              <b>{said}</b>
              {reasons.map((reason) => (
                <span key={reason}>{reason}</span>
              ))}
            </Tooltip>
          </li>
        );
      })}
    </ul>
  );
}
