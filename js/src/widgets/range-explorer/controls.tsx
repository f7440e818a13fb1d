/** How wide the range is, by which rule, and in words what it holds. */
import type { Rule } from "../../protocol/schema";
import { LiveRegion } from "../../view/live-region";
import { NeedsKernel } from "../../view/needs-kernel";
import { decimal, NumberField } from "../../view/number-field";
import { type Segment, Segmented } from "../../view/segmented";
import { Slider } from "../../view/slider";
import type { State } from "./state";
import "./controls.css";

/** The largest tau, in standard deviations. */
const WIDEST = 4;
const RULES: Segment<Rule>[] = [
  {
    value: "gaussian",
    text: "mean ± τσ",
    title: "Which activations are within τ standard deviations of the mean?",
  },
  {
    value: "quantile",
    text: "quantiles",
    title: "Between which quantiles are as many samples as a normal curve has within τ?",
  },
  {
    value: "discriminative",
    text: "discriminative",
    title:
      "Where does it most outweigh the others, with as many samples over all neurons as a normal curve has within τ?",
  },
];

export function Controls({ state }: { state: State }) {
  const { tau, rule, custom } = state;
  return (
    <div class="nw-controls">
      <div class={`nw-slider ${custom.value ? "nw-inactive" : ""}`}>
        <span class="nw-quiet" title="How many standard deviations wide is the range?">
          width τ
        </span>
        <Slider
          value={tau.value}
          max={WIDEST}
          step={0.01}
          label="width τ of the range, tau"
          text={`${tau.value.toFixed(2)} standard deviations`}
          onValue={(value) => state.setTau(value)}
          onPointerDown={state.hold}
        />
        <NumberField
          name="nw-number"
          label={`width τ as a number, tau, 0 to ${WIDEST}`}
          value={tau.value.toFixed(2)}
          read={decimal}
          onNumber={(value) => state.setTau(value)}
        />
      </div>
      <div class="nw-rules">
        <Segmented
          label="rule of the range"
          segments={RULES}
          chosen={rule.value}
          onChoose={(next) => state.setRule(next)}
          inactive={custom.value}
        />
        <button
          type="button"
          hidden={!custom.value}
          title="Give up the edges that you dragged?"
          onClick={() => state.followRule()}
        >
          back to τ
        </button>
      </div>
      <p class="nw-said-line">{state.said.value}</p>
      <p class="nw-quiet">
        {state.salience.value}
        <MostSalient state={state} />
      </p>
      <LiveRegion text={() => state.said.value} />
    </div>
  );
}

/** Offers the neuron that matters most for the label. */
function MostSalient({ state }: { state: State }) {
  const neuron = state.mostSalient.value;
  if (neuron === null) return null;
  return (
    <NeedsKernel gone={state.gone.value}>
      <button
        type="button"
        class="nw-plain-button"
        title="Show the neuron with the largest mean absolute activation for this label?"
        onClick={() => state.request({ type: "neuron.request", neuron })}
      >
        neuron {neuron} is most salient
      </button>
    </NeedsKernel>
  );
}
