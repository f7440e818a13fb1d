/** That the neuron's top samples show no such concept. */
import type { Concept } from "../../core/concepts";
import { fixed, percent } from "../../core/scale";
import type { State } from "./state";

/** Above this share, random groups of the band would be marked as well. */
const ANYWAY = 0.05;

export function BandMark({ state, concept }: { state: State; concept: Concept }) {
  const known = state.evidence.value?.band;
  const own = known?.of.get(concept.node);
  if (!known || !own || !state.inBandOnly(concept)) return null;
  const anyway = own.chance > ANYWAY;
  const missed = known.missed === null ? "" : `; sampling alone marks ${percent(known.missed)}`;
  return (
    <span
      class={anyway ? "nw-band-anyway" : "nw-by-chance"}
      title={`Do the top samples show it? Its cosine with the nearest of their concepts is ${fixed(own.cosine, 2)}. ${percent(own.chance)} of random groups of the band are as far from them${missed}.`}
    >
      band only{anyway ? ", as random groups" : ""}
    </span>
  );
}
