/** A run's letter in its colour. */
import type { State } from "./state";
import "./badge.css";

export function Badge({ state, run }: { state: State; run: number }) {
  const shown = state.runs.value[run];
  return (
    <b class="nw-badge" style={{ background: shown?.color ?? "var(--nw-quiet)" }}>
      {shown?.name ?? "AB"[run]}
    </b>
  );
}
