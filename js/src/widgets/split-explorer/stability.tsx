/** Whether a concept comes back from other halves of the samples. */
import type { Concept } from "../../core/concepts";
import { halvesOf } from "../../core/halves";
import { UNSTABLE } from "../../core/retrieved";
import type { State } from "./state";
import { percent } from "./strip";

/** How often it comes back when half of the samples are clustered again. */
export function Stability({ recurs }: { recurs: number }) {
  const word = recurs < UNSTABLE ? "unstable" : recurs < 0.75 ? "fairly stable" : "stable";
  return (
    <span
      class="nw-quiet"
      title="How often is it a cluster again when only half of the samples are clustered?"
    >
      {word} {percent(recurs)}
    </span>
  );
}

/** How alike its directions from two halves are, beside permuted clusters. */
export function HalvesAgree({ state, concept }: { state: State; concept: Concept }) {
  const cut = state.current.value;
  if (!cut || concept.refined) return null;
  const nodes = cut.concepts.map(({ node }) => node);
  const halves = halvesOf(state.evidence.value?.halves ?? [], nodes, concept.node);
  if (!halves) return null;
  const chance = halves.chance === null ? "" : `; ${halves.chance.toFixed(2)} by chance`;
  return (
    <span
      class="nw-quiet"
      title={`How alike are its directions from two halves of the samples, each clustered anew? Cosine ${halves.agreement.toFixed(2)}${chance}, if clusters are permuted.`}
    >
      halves {halves.agreement.toFixed(2)}
      {halves.asChance ? ", as chance" : ""}
    </span>
  );
}
