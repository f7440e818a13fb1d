/** The tokens or classes that a concept, or the neuron, promotes and demotes. */
import { lacking } from "../../core/lacking";
import { standingOf, strongest, visible } from "../../core/promoted";
import { short } from "../../core/scale";
import type { Effect } from "../../protocol/split";
import { NEURON } from "./more";
import type { State } from "./state";
import "./promoted.css";

const LENS = {
  logit: "Logit lens: along the linear way to the output.",
  jacobian: "Jacobian lens: the mean first-order effect on samples.",
};

/** How many on each side: classes are longer than tokens. */
const SIDE = { token: 5, class: 3 };

interface Props {
  state: State;
  /** Of the concept, or `NEURON`; of a k-means concept its place, see `stripOf`. */
  node: number;
  /** Whether it is a concept of k-means membership, which is no node's. */
  refined?: boolean;
}

export function PromotedStrip({ state, node, refined }: Props) {
  const effects = state.evidence.value?.effects;
  if (!effects) return null;
  const known = !refined || effects.refined === state.threshold.value;
  const strip = known ? effects.of.get(node) : undefined;
  const outputs = effects.kind === "token" ? "tokens" : "classes";
  if (!strip) {
    if (effects.note) {
      return node === NEURON ? (
        <p class="nw-caption" role="note">
          what it promotes is not known: {effects.note}
        </p>
      ) : null;
    }
    const busy = !state.gone.value && state.status.value.state !== "error";
    return (
      <p class="nw-caption nw-pending">
        {busy ? "promotes …" : lacking("what it promotes", state.gone.value)}
      </p>
    );
  }
  const [most, side] = [strongest(strip), SIDE[effects.kind]];
  const { word, question, chance } = standingOf(strip, effects.high);
  const control =
    effects.high === null ? "" : `; 95% of random directions: up to ${short(effects.high)}`;
  const title = `Which ${outputs} does it make more and less likely? Strongest effect ${short(most)} logits a unit${control}. ${LENS[effects.lens]}`;
  return (
    <p class={`nw-promoted ${chance ? "nw-faint" : ""}`} title={title}>
      <Side word="promotes" outputs={strip.promoted.slice(0, side)} most={most} />
      <Side word="demotes" outputs={strip.demoted.slice(0, side)} most={most} />
      {word && (
        <span class="nw-quiet nw-standing" title={question}>
          {word}
        </span>
      )}
    </p>
  );
}

function Side({ word, outputs, most }: { word: string; outputs: Effect[]; most: number }) {
  return (
    <span class={`nw-side nw-${word}`}>
      <span class="nw-quiet nw-word">{word}</span>
      {outputs.map(({ name, value }, i) => (
        <bdi
          key={`${i} ${name}`}
          class="nw-output"
          style={{ "--nw-share": most > 0 ? Math.abs(value) / most : 0 }}
          title={`${value < 0 ? "−" : "+"}${short(Math.abs(value))} logits a unit`}
        >
          {visible(name)}
        </bdi>
      ))}
    </span>
  );
}
