/** Which layer is shown, and how much of it. */
import type { TableMessage } from "../../protocol/browser";
import { Header, OfLayer } from "../../view/header";
import { Segmented } from "../../view/segmented";
import { codeOf } from "./code";
import type { Only, State } from "./state";

const count = (n: number) => n.toLocaleString("en");

export function BrowserHeader({ state, table }: { state: State; table: TableMessage }) {
  const { neuron, split, samples } = table;
  const shown = state.rows.value.length;
  const segments: { value: Only; text: string; title: string }[] = [
    { value: "all", text: "all", title: "Show all neurons" },
    {
      value: "pinned",
      text: `pinned ${count(state.pinned.value.length)}`,
      title: "Show only pinned neurons",
    },
    {
      value: "selected",
      text: `selected ${count(state.neurons.value.length)}`,
      title: "Show only selected neurons: space in the table, or drag around them on the map",
    },
  ];
  const limited = Object.keys(state.filters.value).length > 0;
  return (
    <Header
      title="Neurons"
      gone={false}
      code={() => codeOf(state)}
      facts={`${count(samples)} ${samples === 1 ? "sample" : "samples"} · ${split < neuron.length ? `${count(split)} of ` : ""}${count(neuron.length)} ${neuron.length === 1 ? "neuron" : "neurons"} split${shown < neuron.length ? ` · ${count(shown)} shown` : ""}`}
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
