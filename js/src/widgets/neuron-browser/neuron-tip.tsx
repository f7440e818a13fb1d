/** What the map says of the neuron under the pointer. */
import { grouped } from "../../core/scale";
import type { TableMessage } from "../../protocol/browser";
import { PreviewOf } from "../../view/previews";
import { Tooltip } from "../../view/tooltip";
import type { State } from "./state";
import "./neuron-tip.css";

/** Concepts that are listed. */
const LISTED = 6;

interface Props {
  state: State;
  table: TableMessage;
  index: number;
  at: { x: number; y: number };
}

export function NeuronTip({ state, table, index, at }: Props) {
  const concepts = state.conceptsAt(index);
  const labels = state.trees.value?.labels ?? [];
  const previews = state.topOf(index).map((row) => state.preview(row, table.neuron[index]));
  return (
    <Tooltip at={at} wide>
      <b>{titleOf(state, table, index)}</b>
      {table.words[index] && <bdi>{table.words[index]}</bdi>}
      {concepts.length > 0 && (
        <ul class="nw-tip-concepts">
          {concepts.slice(0, LISTED).map(({ size, color, label }, c) => {
            return (
              <li key={c}>
                <i
                  class={`nw-concept-color ${color ? "" : "nw-no-concept"}`}
                  style={color ? { background: color } : undefined}
                />
                {size} samples
                {label >= 0 && (
                  <>
                    , mostly <bdi>{labels[label]}</bdi>
                  </>
                )}
              </li>
            );
          })}
          {concepts.length > LISTED && <li>and {concepts.length - LISTED} more</li>}
        </ul>
      )}
      <div class="nw-tip-samples">
        {previews.map((preview) =>
          preview.picture || preview.text ? (
            <PreviewOf
              key={preview.row}
              preview={preview}
              color="currentColor"
              most={table.largest[index]}
              lit={false}
              onHover={() => {}}
            />
          ) : null,
        )}
      </div>
    </Tooltip>
  );
}

const titleOf = (state: State, table: TableMessage, index: number): string => {
  const count = state.counts.value[index];
  const said = Number.isNaN(count)
    ? "not split"
    : count === 1
      ? "1 concept"
      : `${count || "no"} concepts`;
  return `Neuron ${grouped(table.neuron[index])}: ${said}`;
};

/** The same for a screen reader. */
export function neuronInWords(state: State, table: TableMessage, index: number): string {
  const selected = state.selectedMask.value[index] ? ", selected" : "";
  return [titleOf(state, table, index), table.words[index]].filter(Boolean).join(", ") + selected;
}
