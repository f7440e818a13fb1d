/** The whole widget: header, the boxes with what the neuron makes of them, its concepts. */

import { short } from "../../core/scale";
import type { ReadingsMessage } from "../../protocol/probe";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { Header, OfLayer } from "../../view/header";
import { LiveRegion } from "../../view/live-region";
import { NumberField, whole } from "../../view/number-field";
import { StatusBar } from "../../view/status";
import { codeOf } from "./code";
import { Concepts } from "./concepts";
import { Deletions } from "./deletions";
import { DifferencePart } from "./difference";
import { ImageBox } from "./image-box";
import type { State } from "./state";
import { TemplatePart } from "./states";
import { TextBox } from "./text-box";
import "./view.css";
import "./forced-colors.css";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function LiveProbe({ state }: Props) {
  const data = state.data.value;
  const boxes = state.comparing.value ? [0, 1] : [0];
  const Box = data?.kind === "image" ? ImageBox : TextBox;
  return (
    <Frame label="Live probe">
      {data && <ProbeHeader state={state} data={data} />}
      <StatusBar of={state} />
      {data ? (
        <div class="nw-probe">
          <div class="nw-probe-main">
            <div class={`nw-boxes ${boxes.length > 1 ? "nw-two" : ""}`}>
              {boxes.map((box) => (
                <Box key={box} state={state} data={data} box={box} />
              ))}
            </div>
            <TemplatePart state={state} />
            {boxes.length > 1 && <DifferencePart state={state} data={data} />}
            {data.kind === "text" && <Deletions state={state} data={data} />}
          </div>
          <Concepts state={state} data={data} />
        </div>
      ) : (
        <Empty />
      )}
      <LiveRegion text={() => state.said.value} />
    </Frame>
  );
}

const POOLED: Record<string, string> = {
  mean: "mean of the tokens",
  max: "maximum of the tokens",
  last: "last token",
  cls: "first token",
  token: "strongest token",
};

function ProbeHeader({ state, data }: { state: State; data: ReadingsMessage }) {
  const { neuron } = state;
  const status = state.status.value;
  const tops = state.tops.value;
  const pooled = POOLED[data.pooling] ?? data.pooling;
  return (
    <Header
      title="Live probe of neuron"
      gone={state.gone.value}
      code={() => codeOf(state)}
      facts={
        <span title="How is one number made of all tokens?">
          pooled: {data.kind === "image" ? pooled.replace("token", "position") : pooled}
        </span>
      }
    >
      <NumberField
        name="nw-neuron"
        label={`neuron, 0 to ${data.neurons - 1}`}
        title={`Which neuron, 0 to ${data.neurons - 1}?`}
        placeholder="direction"
        value={neuron.value === null ? "" : String(neuron.value)}
        read={whole}
        least={0}
        status={status}
        busy={status.state === "running"}
        onNumber={(value) =>
          value !== neuron.value && state.request({ type: "neuron.request", neuron: value })
        }
      />
      <OfLayer layer={data.layer} />
      {tops.length > 0 && (
        <select
          class="nw-tops"
          aria-label="start from a top sample"
          title="Which top sample should the box begin with?"
          value={tops.find(({ row }) => row === state.sample.value)?.row ?? ""}
          onChange={({ currentTarget: { value } }) => value && state.start(Number(value))}
        >
          <option value="">start from a top sample</option>
          {tops.map(({ row, title, activation }, i) => (
            <option key={row} value={row}>
              {i + 1}. {short(Number(activation.toPrecision(3)))} · {title}
            </option>
          ))}
        </select>
      )}
      <label class="nw-compare" title="How does a second box differ from the first?">
        <input
          type="checkbox"
          checked={state.comparing.value}
          onChange={({ currentTarget: { checked } }) => state.compare(checked)}
        />
        compare
      </label>
    </Header>
  );
}
