/** Samples over the whole activation range, and the choice between these and the top ones. */

import { lacking } from "../../core/lacking";
import { grouped } from "../../core/scale";
import type { TreeMessage } from "../../protocol/split";
import { Segmented } from "../../view/segmented";
import { NEURON } from "./more";
import type { State } from "./state";
import { activationOf, Strip } from "./strip";
import "./spread.css";

interface Props {
  state: State;
  /** Of the concept, or `NEURON`. */
  node: number;
}

/** "top" or "spread", on each card. */
export function SpreadField({ state, node, of }: Props & { of: string }) {
  return (
    <Segmented
      label={`samples of ${of}`}
      segments={[
        { value: false, text: "top", title: "Which samples are its clearest examples?" },
        {
          value: true,
          text: "spread",
          title:
            "What else activates it, over the whole activation range? Evenly spaced quantiles.",
        },
      ]}
      chosen={state.spreads(node)}
      onChoose={(on) => state.setSpread(node, on)}
    />
  );
}

/** What is spread, in words. */
export function SpreadCaption({ state, node, most }: Props & { most: number }) {
  const spread = state.spreadOf(node);
  if (!spread) {
    const lost = state.gone.value || state.status.value.state === "error";
    return (
      <span class="nw-pending">{lost ? lacking("spread", state.gone.value) : "comparing…"}</span>
    );
  }
  const { activations, selected } = spread;
  if (!activations.length) return <span>no samples</span>;
  const [low, high] = [activations[activations.length - 1], activations[0]];
  const range = `${activationOf(low, most)} to ${activationOf(high, most)}`;
  const title =
    node === NEURON
      ? "Which samples activate the neuron, strongly or weakly? Evenly spaced quantiles of all that activate it above 0, or of all samples if none does."
      : "Which samples lie near the concept, and how strongly do they activate the neuron? Evenly spaced quantiles of all that are at least three quarters as near as its median sample.";
  return (
    <span title={title}>
      {grouped(selected)} {node === NEURON ? "active" : "near it"}, {range}
    </span>
  );
}

export function SpreadStrip({
  state,
  node,
  data,
  color,
}: Props & { data: TreeMessage; color: string }) {
  const spread = state.spreadOf(node);
  if (!spread) return null;
  return (
    <Strip
      spread
      previews={Array.from(spread.rows, (row, i) =>
        state.preview(row, spread.labels[i], spread.activations[i]),
      )}
      color={color}
      state={state}
      data={data}
    />
  );
}
