/** What the colours of the map mean. */
import { COLORS } from "../../core/palette";
import type { State } from "./state";
import "./legend.css";

/** Labels that are named. */
const NAMED = 8;

export function Legend({ state }: { state: State }) {
  const { labels } = state.trees.value ?? { labels: [] };
  if (!state.trees.value) return null;
  const codes = state.byLabel.value ? state.commonLabels.value : [];
  const [named, more] = [codes.slice(0, NAMED), codes.length - NAMED];
  return (
    <p class="nw-color-key nw-small">
      {named.map((code) => (
        <span key={code}>
          <i class="nw-concept-color" style={{ background: COLORS[code % COLORS.length] }} />
          <bdi>{labels[code]}</bdi>
        </span>
      ))}
      {more > 0 && (
        <span class="nw-quiet" title={`Colours come again after ${COLORS.length} labels.`}>
          and {more.toLocaleString("en")} more labels
        </span>
      )}
      {!state.byLabel.value && <span class="nw-quiet">a colour for each concept of a neuron</span>}
      <span>
        <i class="nw-concept-color nw-no-concept" />
        <span class="nw-quiet">samples in no concept</span>
      </span>
    </p>
  );
}
