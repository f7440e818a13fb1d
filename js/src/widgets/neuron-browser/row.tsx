/** One neuron in the table. */
import { spreadOf } from "../../core/ranking";
import { grouped, short } from "../../core/scale";
import type { TableMessage } from "../../protocol/browser";
import { useTyped } from "../../view/field";
import { memo } from "../../view/memo";
import { type Column, LEVEL } from "./columns";
import { Cell, GridRow } from "./grid-parts";
import type { Layout } from "./layout";
import { PromotesCell } from "./promotes";
import { TopSamples } from "./samples";
import type { State } from "./state";
import "./row.css";

/** What answers a click in a row by itself. */
const CONTROLS = "button, input, textarea, select, a, label";

interface Props {
  state: State;
  table: TableMessage;
  layout: Layout;
  /** The neuron's index in the table. */
  index: number;
  /** Pixels from the top of all rows, and the number of the row with the head counted. */
  top: number;
  place: number;
  /** Whether the row has the keyboard. */
  active: boolean;
}

function Row({ state, table, layout, index, top, place, active }: Props) {
  const number = table.neuron[index];
  const { match, scores, named, promotes } = layout;
  const chosen = state.neuron.value === number;
  const selected = state.selectedMask.value[index] === 1;
  const pinned = state.pinned.value.includes(number);
  const tabIndex = active ? 0 : -1;
  const words = table.words[index] ?? "";
  return (
    <GridRow
      class={`nw-neuron-row ${chosen ? "nw-chosen-neuron" : ""}`}
      aria-rowindex={place}
      aria-selected={selected}
      aria-current={chosen ? "true" : undefined}
      data-neuron={index}
      style={{ transform: `translateY(${top}px)` }}
      onPointerEnter={() => {
        state.hoverNeuron.value = index;
      }}
      onClick={(event: MouseEvent) => {
        if (!(event.target as Element).closest(CONTROLS)) state.open(number);
      }}
    >
      <Cell class="nw-marks">
        <label>
          <input
            type="checkbox"
            tabIndex={tabIndex}
            checked={selected}
            aria-label={`select neuron ${number}`}
            onChange={() => state.toggleSelected(number)}
          />
        </label>
        <button
          type="button"
          class="nw-star"
          tabIndex={tabIndex}
          aria-pressed={pinned}
          aria-label={`pin neuron ${number}`}
          onClick={() => state.togglePinned(number)}
        >
          {pinned ? "★" : "☆"}
        </button>
      </Cell>
      <Cell>
        <button
          type="button"
          class="nw-neuron-number"
          tabIndex={tabIndex}
          title={`Open neuron ${number}`}
          onClick={() => state.open(number)}
        >
          {grouped(number)}
        </button>
      </Cell>
      {match && <MatchCell state={state} column={match} index={index} />}
      <ConceptCell state={state} index={index} />
      <Cell class="nw-top-cell">
        <TopSamples state={state} index={index} number={number} />
      </Cell>
      {named && (
        <Cell title={words}>
          <bdi class="nw-names-of">{words}</bdi>
        </Cell>
      )}
      {promotes && <PromotesCell state={state} index={index} />}
      <Histogram table={table} index={index} />
      {scores.map((column) => (
        <ScoreCell key={column.name} column={column} index={index} />
      ))}
      <NoteCell key={number} state={state} number={number} tabIndex={tabIndex} />
    </GridRow>
  );
}

/** Layouts are new objects at each drawing: what counts is what they hold. */
export const NeuronRow = memo(
  Row,
  (a: Props, b: Props) =>
    a.index === b.index &&
    a.top === b.top &&
    a.active === b.active &&
    a.table === b.table &&
    a.layout.scores === b.layout.scores &&
    a.layout.named === b.layout.named &&
    a.layout.promotes?.values === b.layout.promotes?.values &&
    a.layout.match?.values === b.layout.match?.values,
);

function ConceptCell({ state, index }: { state: State; index: number }) {
  const count = state.counts.value[index];
  return (
    <Cell class="nw-numeric">
      {Number.isNaN(count) ? <span class="nw-quiet">not split</span> : count}
    </Cell>
  );
}

function MatchCell({ state, column, index }: { state: State; column: Column; index: number }) {
  const message = state.match.value;
  const value = column.values[index];
  const certain = column.chance !== null && column.chance[index] < LEVEL;
  const token = message?.segments[message.token?.[index] ?? -1];
  return (
    <Cell class="nw-numeric" style={heat(column, index)}>
      {token && <bdi class="nw-match-token">{token}</bdi>}
      <span class={certain ? "nw-certain" : undefined}>{inThree(value)}</span>
    </Cell>
  );
}

function ScoreCell({ column, index }: { column: Column; index: number }) {
  if (column.pending?.[index])
    return (
      <Cell class="nw-numeric">
        <span
          class="nw-quiet"
          title="It is computed in the background, for the rows in view first."
        >
          not yet
        </span>
      </Cell>
    );
  const p = column.chance?.[index];
  const byChance = p !== undefined && p > LEVEL;
  return (
    <Cell
      class={`nw-numeric ${byChance ? "nw-reached" : ""}`}
      title={p === undefined || Number.isNaN(p) ? undefined : `p = ${short(p)}`}
      style={byChance ? undefined : heat(column, index)}
    >
      {inThree(column.values[index])}
    </Cell>
  );
}

/** A number in three figures. */
const inThree = (value: number): string => short(Number(value.toPrecision(3)));

const spreads = new WeakMap<object, ReturnType<typeof spreadOf>>();

/** A background as strong as a value among all of its column. */
function heat({ values }: Column, index: number): Record<string, string> | undefined {
  let spread = spreads.get(values);
  if (spread === undefined) {
    spread = spreadOf(values, 1);
    spreads.set(values, spread);
  }
  if (!spread || spread.low === spread.high || Number.isNaN(values[index])) return undefined;
  const share = (values[index] - spread.low) / (spread.high - spread.low);
  return { "--nw-strength": `${Math.round(share * 40)}%` };
}

function Histogram({ table, index }: { table: TableMessage; index: number }) {
  const { bins, histogram, least, largest } = table;
  const path = [`M0 24`];
  for (let b = 0; b < bins; b++)
    path.push(`V${(24 - (histogram[index * bins + b] / 255) * 22).toFixed(1)}H${b + 1}`);
  return (
    <Cell>
      <svg
        class="nw-sparkline"
        viewBox={`0 0 ${bins} 24`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`activations from ${short(least[index])} to ${short(largest[index])}`}
      >
        <path d={`${path.join("")}V24z`} />
      </svg>
    </Cell>
  );
}

function NoteCell({ state, number, tabIndex }: { state: State; number: number; tabIndex: number }) {
  const typing = useTyped(state.notes.value[number] ?? "", (field) =>
    state.note(number, field.value),
  );
  return (
    <Cell>
      <input
        class="nw-note"
        tabIndex={tabIndex}
        aria-label={`note on neuron ${number}`}
        autocomplete="off"
        maxLength={500}
        {...typing}
      />
    </Cell>
  );
}
