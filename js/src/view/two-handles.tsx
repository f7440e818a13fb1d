/** Two handles on one track: a range of whole steps that is taken over when a handle is let go. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import "./two-handles.css";

type Ends = readonly [number, number];

interface Props {
  ends: Ends;
  /** The largest step; the least is 0. */
  max: number;
  /** What the handles bound, for people who hear it: "activation band". */
  label: string;
  say: (step: number) => string;
  /** While a handle moves: where both are. */
  onMove?: (ends: Ends | null) => void;
  /** When it is let go, and after each key. */
  onEnds: (ends: Ends) => void;
  /** Something else is in effect. */
  inactive?: boolean;
  /** What the handles stand on. */
  children?: ComponentChildren;
}

export function TwoHandles({ ends, max, label, say, onMove, onEnds, inactive, children }: Props) {
  const moved = useSignal<Ends | null>(null);
  const [from, to] = moved.value ?? ends;
  const handle = (which: 0 | 1) => (
    <input
      type="range"
      min={0}
      max={max}
      value={which ? to : from}
      aria-label={`${label}: ${which ? "upper" : "lower"} end`}
      aria-valuetext={say(which ? to : from)}
      onInput={({ currentTarget: input }) => {
        const step = Number(input.value);
        const next: Ends = which ? [from, Math.max(step, from + 1)] : [Math.min(step, to - 1), to];
        input.value = String(next[which]);
        moved.value = next;
        onMove?.(next);
      }}
      onChange={() => {
        const last = moved.value;
        moved.value = null;
        onMove?.(null);
        if (last && (last[0] !== ends[0] || last[1] !== ends[1])) onEnds(last);
      }}
      onKeyDown={(event) => {
        // JupyterLab has its own meaning for arrow keys.
        if (event.key.startsWith("Arrow")) event.stopPropagation();
      }}
    />
  );
  return (
    <div class={`nw-two-handles ${inactive ? "nw-inactive" : ""}`}>
      {children}
      {handle(0)}
      {handle(1)}
    </div>
  );
}
