/** Which known features the concepts recover. */
import { isolated } from "../../core/direction";
import type { Recovery } from "../../core/recovery";
import type { TreeMessage } from "../../protocol/split";
import type { State } from "./state";
import "./truth.css";

export function Truth({ state, data }: { state: State; data: TreeMessage }) {
  const { truth } = data;
  const recovery = state.recovery.value;
  if (!truth || !recovery) return null;
  const { said, more } = summary(truth, recovery, state.neuron.value !== null);
  return (
    <div class="nw-truth" title={more}>
      <p>{said}</p>
      <p class="nw-quiet">{more}</p>
    </div>
  );
}

/** In words: what is recovered, and below it how well, and what is missed. */
export function summary(
  { names, recovered: least }: { names: string[]; recovered: number },
  { matching }: Recovery,
  neuron: boolean,
): { said: string; more: string } {
  const what = neuron ? "neuron" : "direction";
  const all = names.length;
  if (!all) return { said: `No known feature drives this ${what}.`, more: "" };
  const drive = all === 1 ? "feature that drives" : "features that drive";
  if (!matching) {
    return {
      said: `${all} ${drive} this ${what}: too many to match one to one during a drag.`,
      more: "Each card names the feature nearest to it.",
    };
  }
  const more: string[] = [];
  if (!Number.isNaN(matching.median)) {
    more.push(`median matched cosine ${matching.median.toFixed(2)}`);
  }
  if (matching.missed.length) {
    more.push(`missed: ${matching.missed.map((i) => isolated(names[i])).join(", ")}`);
  }
  return {
    said: `${matching.recovered} of ${all} ${drive} this ${what} recovered (cosine of at least ${least})`,
    more: more.join(" · "),
  };
}

/** On a card: its nearest feature; as tooltip, the feature that it is matched with. */
export interface Nearest {
  feature: string;
  matched: string;
}

export function nearestOf(data: TreeMessage, recovery: Recovery | null): Partial<Nearest>[] {
  const names = data.truth?.names ?? [];
  if (!recovery || !names.length) return [];
  return recovery.nearest.map(({ feature, cosine }, concept) => {
    const partner = recovery.matching?.feature[concept];
    const near = "the nearest of the features that drive it";
    const other = partner === undefined || partner === feature;
    const counted = partner === -1 ? "no feature" : isolated(names[partner ?? 0]);
    return {
      // Never rounded up: 0.899 is not recovered at 0.9.
      feature: `${isolated(names[feature])} · cosine ${(Math.floor(cosine * 100 + 1e-6) / 100).toFixed(2)}`,
      matched: other ? near : `${near}; matched one to one with ${counted}`,
    };
  });
}
