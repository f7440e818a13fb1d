/** Which layer is shown, and how much of it. */
import { counted, grouped } from "../../core/scale";
import type { TableMessage } from "../../protocol/browser";
import { Header, OfLayer } from "../../view/header";
import { Segmented } from "../../view/segmented";
import { codeOf } from "./code";
import type { Only, State } from "./state";

export function BrowserHeader({ state, table }: { state: State; table: TableMessage }) {
  const { neuron, split, samples } = table;
  const shown = state.rows.value.length;
  const segments: { value: Only; text: string; title: string }[] = [
    { value: "all", text: "all", title: "Show all neurons" },
    {
      value: "pinned",
      text: `pinned ${grouped(state.pinned.value.length)}`,
      title: "Show only pinned neurons",
    },
    {
      value: "selected",
      text: `selected ${grouped(state.neurons.value.length)}`,
      title: "Show only selected neurons: space in the table, or drag around them on the map",
    },
  ];
  const limited = Object.keys(state.filters.value).length > 0;
  return (
    <Header
      title="Neurons"
      gone={false}
      code={() => codeOf(state)}
      facts={`${counted(samples, "sample")} · ${split < neuron.length ? `${grouped(split)} of ` : ""}${counted(neuron.length, "neuron")} split${shown < neuron.length ? ` · ${grouped(shown)} shown` : ""}`}
    >
      <OfLayer layer={table.layer} />
      <Segmented
        label="Neurons in the table"
        segments={segments}
        chosen={state.only.value}
        onChoose={(value) => {
          state.only.value = value;
        }}
      />
      {limited && (
        <button type="button" class="nw-plain-button" onClick={() => state.showAll()}>
          clear filters
        </button>
      )}
    </Header>
  );
}
