/** The feature of a sparse autoencoder that tells a concept apart, beside random directions. */
import type { ComponentChildren } from "preact";
import type { Concept } from "../../core/concepts";
import { lacking } from "../../core/lacking";
import { activeOn, alsoCovered, asRandom } from "../../core/sae";
import { counted, grouped, percent } from "../../core/scale";
import type { FeatureOf } from "../../protocol/sae";
import type { State } from "./state";
import "./sae.css";

const auroc = (value: number) => (Number.isFinite(value) ? value.toFixed(2) : "–");

/** On the neuron's card: what is compared, and why it may be void. */
export function SAEHead({ state }: { state: State }) {
  const sae = state.sae.value;
  if (!sae || (sae.active === null && !sae.note)) return null;
  const facts = [
    `${grouped(sae.features)} SAE features`,
    ...(sae.active === null ? [] : [`${grouped(sae.active)} active on these samples`]),
    ...(sae.explained === null
      ? []
      : [`${percent(Math.max(0, sae.explained))} of their variance explained`]),
  ];
  return (
    <p class="nw-caption" role={sae.note ? "note" : undefined}>
      <span title="How much of the top samples does the autoencoder say?">{facts.join(" · ")}</span>
      {sae.note && <b>{sae.note}</b>}
    </p>
  );
}

interface Props {
  state: State;
  concept: Concept;
  /** The concept's place in the cut. */
  index: number;
}

/** On a concept's card: its feature, what makes it and what divides it. */
export function SAELine({ state, concept, index }: Props) {
  const sae = state.sae.value;
  if (!sae || sae.failed || concept.refined) return null;
  const one = sae.of.get(concept.node);
  if (!one) {
    const busy = !state.gone.value && state.status.value.state !== "error";
    return (
      <p class="nw-caption nw-pending">
        {busy ? "SAE feature …" : lacking("its SAE feature", state.gone.value)}
      </p>
    );
  }
  if (one.feature < 0) {
    return <p class="nw-caption">no SAE feature: there is no other top sample to tell it from</p>;
  }
  const chance = asRandom(one);
  return (
    <div class={`nw-sae ${chance ? "nw-faint" : ""}`}>
      <Fact
        state={state}
        mask={one.active}
        index={index}
        title={`Which feature tells its samples from the other top samples? The best of one half of them, on the other half; so for as many random directions: ${auroc(one.random)}, and in 95% of cases at most ${auroc(one.randomMost)}.`}
        control={`random directions ${auroc(one.random)}${chance ? `, up to ${auroc(one.randomMost)}` : ""}`}
      >
        SAE feature {one.feature} · AUROC {auroc(one.auroc)}
      </Fact>
      {chance && <span class="nw-quiet">as random directions</span>}
      <Cover state={state} one={one} index={index} />
      <Others state={state} one={one} index={index} />
      {one.branch >= 0 && (
        <span title="Which feature is active on one of its two branches in the tree, and not on the other? AUROC, held out. Random: as many random directions.">
          feature {one.branch} divides it · AUROC {auroc(one.branchAuroc)}{" "}
          <span class="nw-quiet">(random {auroc(one.branchRandom)})</span>
        </span>
      )}
    </div>
  );
}

interface PartProps {
  state: State;
  one: FeatureOf;
  index: number;
}

/** How many features make the concept. */
function Cover({ state, one, index }: PartProps) {
  const control = `random ${percent(one.randomCovered)}`;
  if (!one.coverSize) {
    return (
      <span title="Is there a feature that is active mostly on its samples, beyond permuted samples? Random: the share that one random direction covers.">
        no feature is mostly its own <span class="nw-quiet">({control})</span>
      </span>
    );
  }
  const more = one.coverSize > one.cover.length ? ", …" : "";
  return (
    <Fact
      state={state}
      mask={one.coverActive}
      index={index}
      title={`How many features make it? ${one.cover.join(", ")}${more}: each active mostly on its samples, beyond permuted samples; chosen until they cover 90%. Random: as many random directions. Untrained autoencoders cover as much: it tells how many, not how good.`}
      control={control}
    >
      {counted(one.coverSize, "feature")} {one.coverSize === 1 ? "covers" : "cover"}{" "}
      {percent(one.covered)} of it
    </Fact>
  );
}

/** Other concepts of the cut that the same feature covers. */
function Others({ state, one, index }: PartProps) {
  const cut = state.current.value;
  if (!cut) return null;
  const { others, random } = alsoCovered(one, index, cut.of, cut.concepts.length);
  if (!others.length) return null;
  const numbers = others.map((place) => cut.concepts[place].number);
  return (
    <span title="Is the feature active on at least half of the samples of other concepts, too? So for random directions that are active as often: the mean count.">
      its feature also covers {numbers.length === 1 ? "concept" : "concepts"} {numbers.join(", ")}{" "}
      <span class="nw-quiet">(random {Number.isFinite(random) ? random.toFixed(1) : "–"})</span>
    </span>
  );
}

interface FactProps {
  state: State;
  /** The samples that are lit when it is pointed at. */
  mask: Uint8Array;
  index: number;
  title: string;
  control: string;
  children: ComponentChildren;
}

/** Lights samples when pointed at or focused, selects them when clicked. */
function Fact({ state, mask, index, title, control, children }: FactProps) {
  const rows = () => {
    const data = state.data.value;
    return data ? activeOn(mask, data.tree.n).map((sample) => data.row[sample]) : [];
  };
  const light = () => {
    state.hover.value = { rows: new Set(rows()), source: "feature" };
  };
  const select = () => {
    const [next, now] = [rows(), state.selection.value];
    const same = next.length === now.length && next.every((row) => now.includes(row));
    state.selection.set(same ? [] : next);
  };
  return (
    <span>
      <button
        type="button"
        class="nw-plain-button"
        title={`${title} Click to select where it is active.`}
        onPointerEnter={light}
        onPointerLeave={() => state.hoverConcept(index)}
        onFocus={light}
        onBlur={() => state.hoverConcept(null)}
        onClick={select}
      >
        {children}
      </button>{" "}
      <span class="nw-quiet">({control})</span>
    </span>
  );
}
