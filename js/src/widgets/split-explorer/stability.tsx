/** Whether a concept comes back from other halves of the samples. */
import type { Concept } from "../../core/concepts";
import { halvesOf } from "../../core/halves";
import { stabilityOf } from "../../core/stability";
import type { State } from "./state";

interface Props {
  concept: Concept;
  /** How often it comes back; null where that was not tested. */
  recurs: number | null;
  /** What samples are parts of, such as the texts of tokens; null: they are whole. */
  of: "images" | "texts" | null;
}

/** How often it comes back when half of the samples are clustered again. */
export function Stability({ concept, recurs, of }: Props) {
  const said = stabilityOf(concept, recurs, of);
  if (!said) return null;
  return (
    <span class="nw-quiet" title={said.question}>
      {said.text}
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
  const most =
    halves.high === null
      ? ""
      : ` on average, and in 95% of cases at most ${halves.high.toFixed(2)}`;
  const chance =
    halves.chance === null
      ? ""
      : `; by chance, with the clusters permuted, ${halves.chance.toFixed(2)}${most}`;
  return (
    <span
      class="nw-quiet"
      title={`Would other samples give the same concept? Two halves are clustered, each for itself: the cosine of its directions in both is ${halves.agreement.toFixed(2)}${chance}.`}
    >
      halves {halves.agreement.toFixed(2)}
      {halves.asChance ? ", as chance" : ""}
    </span>
  );
}
