/** The table's columns of numbers: what they hold, and which are shown. */
import { short } from "../../core/scale";
import type { MatchMessage, PromotedMessage, TableMessage } from "../../protocol/browser";

/** Above this p value, or q value, chance reaches a score. */
export const LEVEL = 0.05;

export interface Column {
  /** As `sorting` and `filters` name it. */
  name: string;
  title: string;
  about: string;
  values: ArrayLike<number>;
  /** The p or q value of each number; null where none is known. */
  chance: ArrayLike<number> | null;
  /** 1 where a number is not computed yet; null where all are. */
  pending: ArrayLike<number> | null;
  /** Whether a number below it counts as found, and is written in bold. */
  whole: boolean;
}

/** The column of scores `name`; null where the table has none of that name. */
export function scoreColumn(table: TableMessage, name: string): Column | null {
  const values = table.scores.get(name);
  const meta = table.columns.find((column) => column.name === name);
  if (!values || !meta) return null;
  // A p value says itself what chance does. That of `geometry` is the score's and its z's, too.
  const of = name === "polysemanticity" ? "geometry" : name.replace(/_[pz]$/, "");
  const chance = table.scores.get(`${of}_p`) ?? null;
  const pale = chance ? ` Pale: chance does as well (p > ${LEVEL}).` : "";
  // One sample is not split, and has no scores to come.
  const pending = meta.late && table.samples > 1 ? table.unscored : null;
  return { ...meta, about: `${meta.about}${pale}`, values, chance, pending, whole: false };
}

export function matchColumn(match: MatchMessage): Column {
  const { title, about, value, q } = match;
  return { name: "match", title, about, values: value, chance: q, pending: null, whole: false };
}

const LENSES = {
  logit: () => "Logit lens: along the linear way to the output.",
  jacobian: (samples: number) =>
    `Jacobian lens: the mean gradient over those of ${samples} samples in which the neuron is active.`,
};

/** Its numbers are the strongest effects, up or down. */
export function promotedColumn(message: PromotedMessage): Column {
  const { kind, high, lens, note, poles, samples, strongest } = message;
  const below = poles ? " Activations below zero promote what is demoted." : "";
  const outputs = kind === "token" ? "tokens" : "classes";
  return {
    name: "promotes",
    title: "promotes",
    about:
      note ||
      `Which ${outputs} does the neuron make more likely? ${LENSES[lens](samples)}${below} Pale: no effect is stronger than ${short(high)} logits a unit, which 95% of random directions do not exceed. The order is by the strongest effect.`,
    values: strongest,
    chance: null,
    pending: null,
    whole: false,
  };
}

export function conceptColumn(counts: Float32Array): Column {
  return {
    name: "concepts",
    title: "concepts",
    about: "How many concepts does the cut find in the neuron’s top samples?",
    values: counts,
    chance: null,
    pending: null,
    whole: true,
  };
}

/** Scores that can be shown besides the main ones. p values are shown by their scores. */
export function otherScores(table: TableMessage): TableMessage["columns"] {
  return table.columns.filter(
    ({ name, main }) => !main && !(name.endsWith("_p") && table.scores.has(name.slice(0, -2))),
  );
}
