/** Whose ranges are shown, and of how many samples. */
import { counted } from "../../core/scale";
import type { RangesMessage } from "../../protocol/ranges";
import { Header, OfLayer } from "../../view/header";
import { NumberField, whole } from "../../view/number-field";
import { codeOf } from "./code";
import type { State } from "./state";

export function RangesHeader({ state, data }: { state: State; data: RangesMessage }) {
  const { neuron } = state;
  const status = state.status.value;
  return (
    <Header
      title="Ranges of neuron"
      gone={state.gone.value}
      facts={`${counted(data.samples, "sample")} · ${counted(data.labels.length, data.what)}`}
      code={() => codeOf(state, data)}
    >
      <NumberField
        name="nw-neuron"
        label={`neuron, 0 to ${data.neurons - 1}`}
        title={`Which neuron, 0 to ${data.neurons - 1}?`}
        value={String(neuron.value)}
        read={whole}
        least={0}
        status={status}
        busy={status.state === "running"}
        onNumber={(value) =>
          value !== neuron.value && state.request({ type: "neuron.request", neuron: value })
        }
      />
      <OfLayer layer={data.layer} />
    </Header>
  );
}
