/** What a concept's card says beside its name. */
import type { TreeMessage } from "../protocol/split";
import type { Concept } from "./concepts";
import { isolated } from "./direction";
import { counted, percent } from "./scale";

/** Its samples, their label, and what k-means did to them. */
export function factsOf(
  data: Pick<TreeMessage, "faces" | "labels">,
  concept: Omit<Concept, "retrieved">,
): string[] {
  const { size, sources, purity, labelled, label, common, reassigned, outliers } = concept;
  const one = data.faces.kind === "image" ? "image" : "text";
  const facts = [counted(size, "sample") + (sources < size ? ` of ${counted(sources, one)}` : "")];
  if (label >= 0) {
    const among = labelled < size ? ` of ${labelled} labelled` : "";
    const all = common ? ", as all" : "";
    facts.push(`${percent(purity)} ${isolated(data.labels[label])}${among}${all}`);
  }
  if (reassigned) facts.push(`${reassigned} reassigned`);
  if (outliers) facts.push(counted(outliers, "outlier"));
  return facts;
}

/** What they answer where its label sets it apart from nothing. */
export const COMMON =
  "Does its label set it apart? No: random groups of the neuron's top samples have it as often.";
