/** What the slices and colours of the map mean. */

import { OTHERS } from "../../core/palette";
import { grouped } from "../../core/scale";
import type { State } from "./state";
import "./legend.css";

/** Labels that are named while the list is closed. */
const NAMED = 12;

export function Legend({ state }: { state: State }) {
  const { labels } = state.trees.value ?? { labels: [] };
  if (!state.trees.value) return null;
  const byLabel = state.byLabel.value;
  const colored = state.table.value?.colored ?? [];
  const codes = byLabel ? state.commonLabels.value : [];
  const named = codes.filter((code) => colored.includes(code)).slice(0, NAMED);
  const others = codes.filter((code) => !colored.includes(code));
  const listed = others.map((code) => labels[code]).join(", ");
  return (
    <div class="nw-small">
      <p class="nw-quiet nw-key-of">
        {byLabel
          ? "A slice is a concept, in the colour of its most frequent label. In the neuron’s own view colours tell concepts apart, not labels."
          : "A slice is a concept, in its colour of the neuron’s own view. One colour in two neurons means nothing."}
      </p>
      <p class="nw-color-key">
        {named.map((code) => (
          <span key={code}>
            <i class="nw-concept-color" style={{ background: state.colors.value[code] }} />
            <bdi>{labels[code]}</bdi>
          </span>
        ))}
        {others.length > 0 && (
          <span title={listed}>
            <i class="nw-concept-color" style={{ background: OTHERS }} />
            {others.length === 1 ? "another label" : `${grouped(others.length)} other labels`}
          </span>
        )}
        <span>
          <i class="nw-concept-color nw-no-concept" />
          <span class="nw-quiet">samples in no concept</span>
        </span>
      </p>
    </div>
  );
}
