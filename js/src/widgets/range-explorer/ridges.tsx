/** One ridge per class over the neuron's axis, and the range across them. */

import { type Signal, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { ticks } from "../../core/axis";
import { isolated } from "../../core/direction";
import { unitOf } from "../../core/edges";
import { standsFor } from "../../core/ranges";
import { domainOf, rowHeight } from "../../core/ridges";
import { grouped, percent, short } from "../../core/scale";
import type { Theme } from "../../model/theme";
import type { RangesMessage } from "../../protocol/ranges";
import { Canvas, type Size } from "../../view/canvas";
import { memo } from "../../view/memo";
import { Edges } from "./edges";
import { type Dot, drawRidges, firstRow, type Look, layersMaker, PAD } from "./paint";
import type { State } from "./state";
import "./ridges.css";

/** Rows beyond this height scroll. */
const WINDOW = 560;

interface Props {
  state: State;
  data: RangesMessage;
  theme: Signal<Theme>;
}

export function Ridges({ state, data, theme }: Props) {
  const scroll = useSignal(0);
  const layers = useMemo(layersMaker, []);
  const row = rowHeight(data.labels.length);
  const head = firstRow(row);
  const full = Math.ceil(head + row * data.labels.length + 2);
  const seen = Math.min(full, WINDOW);

  // Whoever chooses a class, here or elsewhere, sees its row.
  const box = useRef<HTMLDivElement>(null);
  const chosen = state.label.value;
  useEffect(() => {
    const scroller = box.current;
    if (!scroller) return;
    const [above, below] = [chosen * row, head + (chosen + 1) * row];
    if (scroller.scrollTop > above) scroller.scrollTop = above;
    else if (scroller.scrollTop + seen < below) scroller.scrollTop = below - seen;
  }, [chosen]);

  const dots = (): Dot[] => {
    const rows = new Set(state.selection.value);
    const hovered = state.hovered.value;
    if (hovered !== null) rows.add(hovered);
    const out: Dot[] = (state.litDots.value ?? []).map(([value, label]) => ({
      value,
      label,
      strong: false,
    }));
    const samples = state.samples.value;
    for (const at of rows) {
      const i = state.previewIndexOf(at);
      if (i === undefined || !samples) continue;
      const [value, label] = [samples.faceValue[i], samples.faceLabel[i]];
      out.push({ value, label, strong: at === hovered });
    }
    return out;
  };

  const draw = (pen: CanvasRenderingContext2D, size: Size) => {
    const message = state.data.value;
    if (!message) return;
    const look: Look = {
      data: message,
      size,
      row: rowHeight(message.labels.length),
      scroll: scroll.value,
      ratio: pen.getTransform().a,
      theme: theme.value,
      chosen: state.label.value,
      accent: state.accent.value,
    };
    drawRidges(pen, look, layers(look), state.pieces.value, dots());
  };

  const classAt = (event: MouseEvent): number => {
    const area = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const c = Math.floor((event.clientY - area.top + scroll.value - head) / row);
    return Math.min(data.labels.length - 1, Math.max(0, c));
  };

  return (
    <div
      class="nw-ridges"
      ref={box}
      style={{ maxHeight: `${WINDOW + 24}px`, "--nw-accent": state.accent.value }}
      onScroll={(event) => {
        scroll.value = Math.min(event.currentTarget.scrollTop, full - seen);
      }}
    >
      <Names state={state} data={data} row={row} head={head} chosen={chosen} />
      <div class="nw-plot" style={{ height: `${full}px` }}>
        <div class="nw-window" style={{ height: `${seen}px` }}>
          <Canvas
            label={`Distribution of ${data.name} for each of ${data.labels.length} ${data.what}s`}
            draw={draw}
            onClick={(event) => state.select(classAt(event))}
          />
        </div>
        <Edges state={state} data={data} />
        <Why state={state} data={data} row={row} head={head} />
      </div>
      <Shares state={state} data={data} row={row} head={head} from={scroll.value} tall={seen} />
      <Axis data={data} />
    </div>
  );
}

interface ColumnProps {
  state: State;
  data: RangesMessage;
  row: number;
  head: number;
}

const Names = memo(({ state, data, row, head, chosen }: ColumnProps & { chosen: number }) => {
  const self = useRef<HTMLDivElement>(null);
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = Math.min(data.labels.length - 1, Math.max(0, chosen + step));
    state.select(next);
    self.current?.querySelectorAll("button")[next]?.focus();
  };
  return (
    <div
      class="nw-names"
      role="toolbar"
      aria-orientation="vertical"
      aria-label={`${data.what} to mask`}
      style={{ paddingTop: `${head}px`, "--nw-row": `${row}px` }}
      ref={self}
      onKeyDown={onKey}
    >
      {data.labels.map((name, c) => (
        <button
          // Labels need not be unique.
          key={c}
          type="button"
          aria-pressed={c === chosen}
          tabIndex={c === chosen ? 0 : -1}
          class={data.why[c] ? "nw-greyed" : undefined}
          title={`${isolated(name)}: ${grouped(data.count[c])} samples`}
          onClick={() => state.select(c)}
        >
          <span dir="auto">{name}</span>
        </button>
      ))}
    </div>
  );
});

/** How much of each class is inside: of those in view, since it changes at every frame of a drag. */
function Shares({
  state,
  data,
  row,
  head,
  from,
  tall,
}: ColumnProps & { from: number; tall: number }) {
  const counts = state.counts.value;
  const chosen = state.label.value;
  const none = state.pieces.value.length === 0;
  const first = Math.max(0, Math.floor((from - head) / row));
  const last = Math.ceil((from + tall - head) / row);
  const above = head + first * row;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset has no fields here
    <div
      class="nw-inside"
      role="group"
      aria-label="inside the range"
      style={{ paddingTop: `${above}px`, "--nw-row": `${row}px` }}
    >
      {data.labels.slice(first, last + 1).map((name, i) => {
        const c = first + i;
        const all = data.count[c];
        const inside = standsFor(data, counts, c);
        const share = none || !all ? Number.NaN : inside / all;
        const counted = `${grouped(Math.round(inside))} of ${grouped(all)} ${isolated(name)}`;
        return (
          <span key={c} class={c === chosen ? "nw-chosen" : undefined} title={counted}>
            <b aria-hidden="true">{percent(share)}</b>
            <i style={{ "--nw-share": share || 0 }} />
            <span class="nw-hidden">{`${percent(share)}, ${counted}`}</span>
          </span>
        );
      })}
    </div>
  );
}

/** In place of a range: why the class has none. */
function Why({ state, data, row, head }: ColumnProps) {
  const c = state.label.value;
  if (!data.why[c]) return null;
  return (
    <p class="nw-why" title={data.why[c]} style={{ top: `${head + (c + 0.5) * row}px` }}>
      {data.why[c]}
    </p>
  );
}

function Axis({ data }: { data: RangesMessage }) {
  const domain = domainOf(data);
  return (
    <div class="nw-axis" aria-hidden="true">
      <span>activation</span>
      <div style={{ margin: `0 ${PAD}px` }}>
        {ticks(domain.low, domain.high, 6).map((tick) => (
          <span key={tick} style={{ left: `${unitOf(tick, domain) * 100}%` }}>
            {short(tick).replace("-", "−")}
          </span>
        ))}
      </div>
      <span>inside</span>
    </div>
  );
}
