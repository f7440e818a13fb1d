/** How much of two classes' distributions coincides, for all pairs. */

import { type Signal, useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { isolated } from "../../core/direction";
import {
  ALL,
  cellAt,
  type Grid,
  gridOf,
  headsOf,
  leastOf,
  type Overlaps,
  roomOf,
  rowOf,
  SHARE,
  seenOf,
  steppedTo,
} from "../../core/overlap";
import { grouped } from "../../core/scale";
import type { Theme } from "../../model/theme";
import type { RangesMessage } from "../../protocol/ranges";
import { Canvas, type Size } from "../../view/canvas";
import { rgb } from "../../view/color";
import { LiveRegion } from "../../view/live-region";
import { Tooltip } from "../../view/tooltip";
import { drawOverlap, heatMaker } from "./overlap-paint";
import type { State } from "./state";
import "./overlap.css";

interface Props {
  state: State;
  data: RangesMessage;
  theme: Signal<Theme>;
}

/** The cell that is pointed at, or that keys lead to; in row -1 or column -1 a name. */
interface Under {
  row: number;
  column: number;
  x: number;
  y: number;
  /** The width of the table. */
  wide: number;
  keys?: boolean;
}

export function Overlap({ state, data, theme }: Props) {
  const many = data.labels.length > ALL;
  const shown = state.overlaps.value;
  const classes = shown.rows.length;
  if (classes < 2) return null;
  const open = state.overlapOpen.value;
  return (
    <details
      class="nw-overlap"
      style={{ "--nw-accent": state.accent.value }}
      open={open}
      onToggle={(event) => {
        state.overlapOpen.value = event.currentTarget.open;
      }}
    >
      <summary class="nw-heading">
        <h3 title={`How much of the distributions of two ${data.what}s coincides?`}>
          {many
            ? `Overlap with ${isolated(data.labels[state.label.value])}`
            : `Overlap of ${data.what}s`}
        </h3>
        {many && (
          <span class="nw-quiet nw-small">
            {classes - 1} of {grouped(data.labels.length)} {data.what}s, largest overlap first
          </span>
        )}
        <span class="nw-legend nw-quiet" aria-hidden="true">
          0 <i /> 1
        </span>
      </summary>
      {open && <Matrix state={state} data={data} theme={theme} shown={shown} />}
    </details>
  );
}

function Matrix({ state, data, theme, shown }: Props & { shown: Overlaps }) {
  const under = useSignal<Under | null>(null);
  const scroll = useSignal({ x: 0, y: 0 });
  const heat = useMemo(heatMaker, []);
  const labels = shown.rows.map((c) => data.labels[c]);
  const classes = labels.length;
  const { head } = headsOf(labels);
  const full = Math.ceil(rowOf(classes) * classes + head + 2);
  const seen = seenOf(full, head);

  const draw = (pen: CanvasRenderingContext2D, { wide }: Size) => {
    const message = state.data.value;
    if (!message) return;
    const overlaps = state.overlaps.value;
    const names = overlaps.rows.map((c) => message.labels[c]);
    const picture = heat(overlaps, rgb(pen, state.accent.value));
    const at = overlaps.rows.indexOf(state.label.value);
    const look = { accent: state.accent.value, theme: theme.value, scroll: scroll.value, wide };
    drawOverlap(pen, names, overlaps.overlap, picture, at, look);
  };
  const cellUnder = (event: MouseEvent): Under | null => {
    const area = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const [x, y] = [event.clientX - area.left, event.clientY - area.top];
    const cell = cellAt(gridOf(labels, area.width), classes, x, y, scroll.value);
    const { x: left, y: top } = scroll.value;
    return cell && { row: cell[0], column: cell[1], x: x + left, y: y + top, wide: area.width };
  };
  const onKey = (event: KeyboardEvent) => {
    const at = under.value;
    if (event.key === "Enter" && at && at.row >= 0) {
      event.preventDefault();
      state.select(shown.rows[at.row]);
      return;
    }
    const inside = at && at.row >= 0 && at.column >= 0;
    const next = steppedTo(event.key, classes, inside ? [at.row, at.column] : null);
    if (!next) return;
    event.preventDefault();
    const box = event.currentTarget as HTMLElement;
    const [row, column] = next;
    const { names, wide, tall } = gridOf(labels, box.clientWidth);
    const top = row * tall;
    const lowest = top + tall + head + 2 - seen;
    box.scrollTop = Math.min(top, Math.max(lowest, box.scrollTop));
    const left = column * wide;
    const rightmost = left + wide + names + 2 - box.clientWidth;
    box.scrollLeft = Math.min(left, Math.max(rightmost, box.scrollLeft));
    const [x, y] = [names + (column + 0.5) * wide, head + top];
    under.value = { row, column, x, y, wide: box.clientWidth, keys: true };
  };
  const forget = () => {
    under.value = null;
  };
  const tip = under.value;
  return (
    <>
      <div
        class="nw-matrix"
        role="application"
        aria-label={`Overlap table of ${classes} ${data.what}s: arrow keys go from cell to cell, Enter chooses the row`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: an application has the keyboard
        tabIndex={0}
        style={{ maxHeight: `${seen}px` }}
        onScroll={(event) => {
          const { scrollLeft: x, scrollTop } = event.currentTarget;
          scroll.value = { x, y: Math.min(scrollTop, full - seen) };
        }}
        onKeyDown={onKey}
        onBlur={forget}
      >
        <div
          style={{
            height: `${full}px`,
            width: `max(100%, min(${roomOf(labels)}px, ${100 * SHARE}%) + ${leastOf(labels)}px)`,
          }}
        >
          <div class="nw-window" style={{ height: `${seen}px` }}>
            <Canvas
              label={`Overlap of the distributions of ${classes} ${data.what}s on this neuron`}
              draw={draw}
              onPointerMove={(event) => {
                under.value = cellUnder(event);
              }}
              onPointerLeave={forget}
              onClick={(event) => {
                const cell = cellUnder(event);
                if (cell) state.select(shown.rows[cell.row < 0 ? cell.column : cell.row]);
              }}
            />
            {tip && (
              <Tooltip at={{ x: tip.x - scroll.value.x, y: tip.y - scroll.value.y }}>
                {wordsOf(data, shown, tip)}
              </Tooltip>
            )}
          </div>
          {tip && <Cell grid={gridOf(labels, tip.wide)} {...tip} />}
        </div>
      </div>
      <LiveRegion text={() => (under.value?.keys ? wordsOf(data, shown, under.value) : null)} />
    </>
  );
}

/** The frame of the cell that is read. */
function Cell({ grid, row, column }: Under & { grid: Grid }) {
  if (row < 0 || column < 0) return null;
  const { names, head, wide, tall } = grid;
  const [left, top] = [names + column * wide, head + row * tall];
  return (
    <i
      class="nw-cell"
      style={{ left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px` }}
    />
  );
}

/** What a cell or a name says, with names in full. */
function wordsOf(data: RangesMessage, { rows, overlap }: Overlaps, { row, column }: Under): string {
  const [a, b] = [row, column].map((at) => isolated(data.labels[rows[at]] ?? ""));
  const alone = row < 0 ? column : row;
  if (row < 0 || column < 0 || column === row)
    return `${row < 0 ? b : a}: ${grouped(data.count[rows[alone]])} samples`;
  return `${a} and ${b} overlap ${overlap[row * rows.length + column].toFixed(2)}`;
}
