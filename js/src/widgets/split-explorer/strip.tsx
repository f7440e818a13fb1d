/** A row of samples on a card. */
import type { VNode } from "preact";
import { useRef, useState } from "preact/hooks";
import { fixed } from "../../core/scale";
import { betweenEnds } from "../../core/spaced";
import type { TreeMessage } from "../../protocol/split";
import { type Preview, RestingPreview } from "../../view/previews";
import type { State } from "./state";
import { TextLine } from "./text-line";
import "./strip.css";

/** Lines of text on a card. */
const LINES = 3;
/** A picture, and the space between two, in pixels. */
const TILE = 50;
const GAP = 5;

/** How many samples fit into a row: pictures, or numbers in boxes. */
function fitting(previews: Preview[], room: number): number {
  const digits = Math.max(...previews.map(({ row }) => String(row).length));
  const wide = previews.some(({ picture }) => picture) ? TILE : 15 + 8 * digits;
  return Math.max(1, Math.floor((room + GAP) / (wide + GAP)));
}

interface StripProps {
  /** The key of the concept whose own samples these are. */
  mine?: string;
  previews: Preview[];
  color: string;
  state: State;
  data: TreeMessage;
  /** Whether they are spread over a range: then all of it is shown, and each says its activation. */
  spread?: boolean;
}

export function Strip({ previews, color, state, data, mine, spread = false }: StripProps) {
  const rows = state.litRows.value;
  // The card under the pointer is lit as a whole; its own samples need no frames.
  const own = mine !== undefined && state.hover.value?.key === mine;
  const common = { color, most: data.range[1], onHover: state.hoverRow };
  const lit = (row: number) => !own && rows.has(row);
  if (previews.some(({ text }) => text)) {
    return (
      <div class="nw-lines">
        {(spread ? previews : previews.slice(0, LINES)).map((preview) => {
          const shown = { preview, lit: lit(preview.row), ...common };
          const line = preview.text ? (
            <TextLine key={preview.row} state={state} {...shown} />
          ) : (
            <RestingPreview key={preview.row} {...shown} />
          );
          if (!spread) return line;
          return (
            <div class="nw-valued" key={preview.row}>
              <Activation preview={preview} most={data.range[1]} />
              {line}
            </div>
          );
        })}
      </div>
    );
  }
  const count = fitting(previews, state.room.value);
  return (
    <Row state={state} spread={spread} previews={(spread ? betweenEnds : first)(previews, count)}>
      {(preview) => (
        <>
          <RestingPreview preview={preview} lit={lit(preview.row)} {...common} />
          {spread && <Activation preview={preview} most={data.range[1]} />}
        </>
      )}
    </Row>
  );
}

const first = <T,>(all: T[], most: number) => all.slice(0, most);

/** An activation, in as many decimals as give the largest one three figures. */
export function activationOf(value: number, most: number): string {
  const decimals = most > 0 ? 2 - Math.floor(Math.log10(most)) : 2;
  return fixed(value, Math.min(6, Math.max(0, decimals)));
}

function Activation({ preview, most }: { preview: Preview; most: number }) {
  const { activation } = preview;
  return (
    <span class="nw-activation">{activation == null ? "" : activationOf(activation, most)}</span>
  );
}

interface RowProps {
  state: State;
  spread: boolean;
  previews: Preview[];
  children: (preview: Preview) => VNode;
}

/** Samples side by side: one stop of the Tab key, in which the arrow keys move. */
function Row({ state, spread, previews, children }: RowProps) {
  const [stop, setStop] = useState(0);
  const row = useRef<HTMLDivElement>(null);
  const last = previews.length - 1;
  const selected = state.selection.value;
  const onKey = (event: KeyboardEvent, i: number) => {
    const next = { ArrowLeft: i - 1, ArrowRight: i + 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const to = Math.min(last, Math.max(0, next));
    setStop(to);
    (row.current?.children[to] as HTMLElement | undefined)?.focus();
  };
  return (
    <div class={`nw-tiles ${spread ? "nw-spread" : ""}`} ref={row}>
      {previews.map((preview, i) => (
        <button
          type="button"
          key={preview.row}
          class="nw-sample"
          tabIndex={i === Math.min(stop, last) ? 0 : -1}
          aria-label={preview.caption}
          aria-pressed={selected.includes(preview.row)}
          onClick={() => state.toggleRow(preview.row)}
          onFocus={() => state.hoverRow(preview.row)}
          onBlur={() => state.hoverRow(null)}
          onKeyDown={(event) => onKey(event, i)}
        >
          {children(preview)}
        </button>
      ))}
    </div>
  );
}
