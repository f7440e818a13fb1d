/** The state of each token: its chunk, and whether it is in the state of a template. */
import { counted, fixed, grouped, short } from "../../core/scale";
import { chunkCounts } from "../../core/states";
import type { Slot } from "../../protocol/probe";
import { Slider } from "../../view/slider";
import type { State } from "./state";
import "./states.css";

/** Chunks in the key, those with most tokens. */
const KEYS = 12;

const cosineOf = (value: number) => fixed(value, 2);
const count = (value: number) =>
  value > 0 && value < 10 ? grouped(Number(value.toFixed(1))) : grouped(Math.round(value));

interface KeyProps {
  state: State;
  slot: Slot;
  chunk: Int32Array;
}

/** What the numbers under the text are, and how near its tokens are to their chunks. */
export function ChunkKey({ state, slot, chunk }: KeyProps) {
  const known = state.states.value.chunks;
  const counts = chunkCounts(chunk);
  if (!known || !counts.length) return null;
  const cosines = Array.from(slot.cosine ?? []).filter((_, i) => chunk[i] >= 0);
  const mean = cosines.reduce((sum, one) => sum + one, 0) / cosines.length;
  return (
    <div class="nw-chunk-key">
      <span class="nw-quiet" title="In which of the layer’s recurring states is each token?">
        {counted(counts.length, "chunk")} of {known.names.length}
      </span>
      {counts.slice(0, KEYS).map(([one, tokens]) => (
        <span key={one} title={counted(tokens, "token")}>
          <i style={{ background: state.colorOf(one) }} />
          {one} {known.names[one] && <bdi class="nw-chunk-name">{known.names[one].trim()}</bdi>}
        </span>
      ))}
      {counts.length > KEYS && <span class="nw-quiet">…</span>}
      <span
        class="nw-quiet"
        title="How near are tokens to their chunks? Held out: samples of the data to chunks from the other half; permuted: the same if each neuron is permuted over the samples."
      >
        mean cosine {cosineOf(mean)} (data held out {cosineOf(known.held_out)}, permuted{" "}
        {cosineOf(known.chance)})
      </span>
    </div>
  );
}

/** The tolerance, and the hits beside their controls. */
export function TemplatePart({ state }: { state: State }) {
  const known = state.states.value.template;
  if (!known) return null;
  const at = state.stop.value;
  const tolerance = known.tolerances[at];
  const slot = state.slots.value[0];
  const here = slot?.segments.filter((_, i) => state.isHit(slot, i)).length ?? 0;
  return (
    <section class="nw-probe-part" aria-label="Template">
      <div class="nw-tolerance">
        <span title="How far may samples of the template be from their mean, in standard deviations of a neuron, for the neuron to count?">
          tolerance
        </span>
        <Slider
          value={at}
          max={known.tolerances.length - 1}
          step={1}
          label="tolerance of the template"
          text={short(tolerance)}
          onValue={(place) => state.setStop(Math.round(place))}
        />
        <span class="nw-tolerance-value">{short(tolerance)}</span>
      </div>
      <p class="nw-template-counts">
        <span title="How many tokens of this text are in the state of the template’s samples?">
          <i class="nw-hit-key" /> <b>{here}</b> of {counted(slot?.segments.length ?? 0, "token")}{" "}
          here
        </span>
        <span title="How many samples of the data are in the state, beside the template’s own? Controls: about a random sample in place of the template; if the neurons were independent.">
          <b>{grouped(known.hits[at])}</b> of {grouped(known.total - known.samples)} in the data{" "}
          <span class="nw-quiet">
            (about a random sample {count(known.random[at])}, independent neurons{" "}
            {count(known.chance[at])})
          </span>
        </span>
        <span
          title={`On how many neurons do the ${known.samples} samples of the template agree? Control: as many random samples.`}
        >
          {grouped(known.neurons[at])} of {grouped(known.width)} neurons{" "}
          <span class="nw-quiet">(random samples {count(known.neurons_random[at])})</span>
        </span>
      </p>
    </section>
  );
}

/** In the box that says what a token has. */
export function StateTip({ state, slot, token }: { state: State; slot: Slot; token: number }) {
  const { chunks } = state.states.value;
  const chunk = slot.chunk?.[token] ?? -1;
  return (
    <>
      {chunks && chunk >= 0 && (
        <div>
          chunk {chunk} <bdi>{chunks.names[chunk].trim()}</bdi>{" "}
          <span class="nw-quiet">
            cosine {cosineOf(slot.cosine?.[token] ?? Number.NaN)} (permuted{" "}
            {cosineOf(chunks.chance)})
          </span>
        </div>
      )}
      {state.isHit(slot, token) && <div>in the state of the template</div>}
    </>
  );
}
