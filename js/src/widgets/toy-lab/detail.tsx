/** One neuron and one feature: its drivers, and the responses to it. */
import { driversOf, kindOf, type Ranked, respondersOf, sentence } from "../../core/responses";
import { fixed, grouped, percent } from "../../core/scale";
import { NeedsKernel } from "../../view/needs-kernel";
import { Badge } from "./badge";
import { NEGATIVE, OTHER } from "./paint";
import type { State } from "./state";
import "./detail.css";

/** Bars in a list. */
const SHOWN = 12;

export function Detail({ state }: { state: State }) {
  return (
    <div class="nw-detail">
      <Drivers state={state} />
      <Responders state={state} />
    </div>
  );
}

function Drivers({ state }: { state: State }) {
  const chosen = state.chosen.value;
  if (!chosen)
    return (
      <section class="nw-list">
        <h3>Drivers of a neuron</h3>
        <p class="nw-quiet">Click a heatmap to choose a neuron and a feature.</p>
      </section>
    );
  const still = state.shown.value[chosen.run];
  const run = state.runs.value[chosen.run];
  return (
    <section class="nw-list" aria-label={`Drivers of neuron ${chosen.neuron} of ${run.name}`}>
      <div class="nw-heading">
        <h3 title="Which features drive it?">
          Drivers of neuron {chosen.neuron} of <Badge state={state} run={chosen.run} />
        </h3>
        <NeedsKernel gone={state.gone.value}>
          <button
            type="button"
            class="nw-splits"
            title="Which concepts does SplitExplorer find in its activations?"
            onClick={() => state.request({ type: "explorer.open" })}
          >
            split this neuron
          </button>
        </NeedsKernel>
      </div>
      <p class="nw-sentence">{sentence(still, chosen.row)}</p>
      <Bars
        ranked={driversOf(still, chosen.row, SHOWN)}
        what="feature"
        none=""
        color={kindOf(still, chosen.neuron) === "monosemantic" ? run.color : OTHER}
        chosen={state.feature.value}
        onChoose={(index) => state.chooseFeature(index)}
      />
    </section>
  );
}

function Responders({ state }: { state: State }) {
  const feature = state.feature.value;
  const there = state.shown.value.some(({ features }) => feature !== null && feature < features);
  if (feature === null || !there)
    return (
      <section class="nw-list">
        <h3>Responses to a feature</h3>
        <p class="nw-quiet">Click a heatmap to choose a neuron and a feature.</p>
      </section>
    );
  const chosen = state.chosen.value;
  return (
    <section class="nw-list" aria-label={`Responses to feature ${feature}`}>
      <div class="nw-heading">
        <h3 title="Which neurons respond to it?">Responses to feature {feature}</h3>
      </div>
      <p class="nw-sentence nw-quiet">
        In colour: monosemantic neurons. Grey: others. Purple: below 0.
      </p>
      <div class="nw-sides">
        {state.shown.value.map((still, r) => {
          const { name, color } = state.runs.value[r];
          const column = still.featureOf.indexOf(feature);
          if (column < 0) return null;
          const pure = (neuron: number) => kindOf(still, neuron) === "monosemantic";
          return (
            // biome-ignore lint/a11y/useSemanticElements: a fieldset has no fields here
            <div key={r} role="group" aria-label={`run ${name}`}>
              <Bars
                ranked={respondersOf(still, column, SHOWN)}
                what={`${name} neuron`}
                none={`no neuron of ${name}`}
                color={(neuron) => (pure(neuron) ? color : OTHER)}
                chosen={chosen?.run === r ? chosen.neuron : null}
                onChoose={(neuron) => state.chooseNeuron(r, neuron)}
              />
            </div>
          );
        })}
      </div>
    </section>
  );
}

interface BarsProps {
  ranked: Ranked;
  what: string;
  /** Said when there is nothing to show. */
  none: string;
  /** Of all bars, or of each. */
  color: string | ((index: number) => string);
  chosen: number | null;
  onChoose: (index: number) => void;
}

function Bars({ ranked, what, none, color, chosen, onChoose }: BarsProps) {
  const { first, more, rest } = ranked;
  const most = Math.abs(first[0]?.value ?? 1);
  return (
    <ol class="nw-responses">
      {first.map(({ index, value }) => (
        <li key={index}>
          <button type="button" aria-pressed={index === chosen} onClick={() => onChoose(index)}>
            <span>
              {what} {index}
            </span>
            <i
              style={{
                "--nw-share": Math.abs(value) / most,
                "--nw-color":
                  value < 0 ? NEGATIVE : typeof color === "string" ? color : color(index),
              }}
            />
            <b>{fixed(value, 2)}</b>
          </button>
        </li>
      ))}
      {first.length === 0 && <li class="nw-quiet nw-more">{none}</li>}
      {more > 0 && (
        <li class="nw-quiet nw-more">
          and {grouped(more)} more: {percent(rest)}
        </li>
      )}
    </ol>
  );
}
