/** A run's letter on its colour, which is light or dark. */
import { luminance } from "../../view/color";
import type { State } from "./state";
import "./badge.css";

export function Badge({ state, run }: { state: State; run: number }) {
  const shown = state.runs.value[run];
  const ground = shown?.color ?? "#595959";
  return (
    <b class="nw-badge" style={{ background: ground, color: inkOn(ground) }}>
      {shown?.name ?? "AB"[run]}
    </b>
  );
}

/** Black or white, whichever is easier to read on a colour such as "#ee7733". */
export function inkOn(color: string): string {
  const bytes = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  // Equal contrast with both is at this luminance.
  return luminance(bytes) > 0.179 ? "#000" : "#fff";
}
