/** The edges of the range: what one drags, and what the keyboard moves. */
import { onAxis } from "../../core/axis";
import { unitOf } from "../../core/edges";
import { domainOf } from "../../core/ridges";
import { keyed } from "../../core/scale";
import type { RangesMessage } from "../../protocol/ranges";
import { taken } from "../../view/drag";
import { PAD } from "./paint";
import type { State } from "./state";
import "./edges.css";

export function Edges({ state, data }: { state: State; data: RangesMessage }) {
  const domain = domainOf(data);
  const pieces = state.pieces.value;

  const drag = (event: PointerEvent, i: number) => {
    if (event.button !== 0) return;
    const handle = event.currentTarget as HTMLElement;
    const area = (handle.parentElement as HTMLElement).getBoundingClientRect();
    const [left, wide] = [area.left + PAD, area.width - 2 * PAD];
    // The edge keeps its distance to the pointer that it had when it was taken.
    const grip = event.clientX - left - unitOf(state.pieces.value[i], domain) * wide;
    // Of two edges in one place, the first move says which is meant.
    const [low, high] = [i & ~1, i | 1];
    const units = [low, high].map((at) => unitOf(state.pieces.value[at], domain));
    let edge = units[0] === units[1] ? -1 : i;
    state.hold(event);
    taken(event, (moved) => {
      const way = moved.clientX - event.clientX;
      if (edge < 0 && way) edge = way < 0 ? low : high;
      if (edge >= 0) state.moveEdge(edge, (moved.clientX - grip - left) / wide);
    });
  };

  const onKey = (event: KeyboardEvent, i: number) => {
    const next = keyed(unitOf(pieces[i], domain), event.key, event.shiftKey);
    if (next === null) return;
    event.preventDefault();
    state.moveEdge(i, next);
  };

  return (
    <>
      {pieces.map((edge, i) => {
        const side = i % 2 ? "high" : "low";
        const unit = unitOf(edge, domain);
        const said = Number.isFinite(edge) ? onAxis(edge, domain.high - domain.low) : "open";
        return (
          <div
            // An edge is the same one for as long as the range has as many pieces.
            key={`${i} of ${pieces.length}`}
            class={`nw-edge nw-${side} ${pieces.length > 2 ? "nw-many" : ""}`}
            role="slider"
            tabIndex={0}
            aria-label={`${side} edge of the range${pieces.length > 2 ? `, piece ${(i >> 1) + 1}` : ""}`}
            aria-valuemin={Number(domain.low.toPrecision(6))}
            aria-valuemax={Number(domain.high.toPrecision(6))}
            aria-valuenow={Number((domain.low + unit * (domain.high - domain.low)).toPrecision(6))}
            aria-valuetext={said}
            style={{ left: `calc(${PAD}px + ${unit} * (100% - ${2 * PAD}px))` }}
            onPointerDown={(event) => drag(event, i)}
            onKeyDown={(event) => onKey(event, i)}
          >
            <span class="nw-grip">
              <i class="nw-handle" />
              <span class="nw-value">{said}</span>
            </span>
          </div>
        );
      })}
    </>
  );
}
