/** Scores of the neuron, on a line that opens. */
import { rounded } from "../../core/scale";
import type { NeuronScore } from "../../protocol/schema";
import "./scores.css";

/** The scores that matter most: they come first. */
const FIRST = ["polysemanticity", "label_entropy", "concepts"];
/** So many things the closed line says. */
const BRIEF = 3;

const written = (value: number | null) => (value === null ? "–" : rounded(value));

interface Props {
  scores: NeuronScore[];
  /** Whether the samples fall into groups, in words. */
  verdict: string | null;
  /** Whether the cut height is not the suggested one, of which the scores are. */
  elsewhere: boolean;
  /** Whether the kernel, which computes them, does not answer. */
  gone: boolean;
}

export function Scores({ scores, verdict, elsewhere, gone }: Props) {
  const ordered = inOrder(scores);
  const main = ordered.filter((score) => score.main);
  const brief = [
    ...(verdict ? [verdict] : []),
    ...main.map((s) => `${s.title} ${written(s.value)}`),
  ];
  const absent = gone ? "need the kernel" : "…";
  return (
    <details class="nw-scores">
      <summary title="How polysemantic is the neuron, at the suggested cut?">
        <span class="nw-brief">
          scores{elsewhere ? " at the suggested cut" : ""}
          <span class="nw-score-list">: {brief.slice(0, BRIEF).join(" · ") || absent}</span>
        </span>
      </summary>
      {verdict && <p class="nw-verdict">{verdict}</p>}
      <ul>
        {ordered.map(({ name, title, value, about, main }) => (
          <li key={name} class={main ? "" : "nw-part"} title={about}>
            <span>{title}</span>
            <span class="nw-score-value">{written(value)}</span>
            <span class="nw-hidden">{about}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Those that matter most first, each with its parts. */
function inOrder(scores: NeuronScore[]): NeuronScore[] {
  const groups: NeuronScore[][] = [];
  for (const score of scores) {
    if (score.main || !groups.length) groups.push([score]);
    else groups[groups.length - 1].push(score);
  }
  const rank = ([{ name }]: NeuronScore[]) =>
    FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
  return groups.sort((a, b) => rank(a) - rank(b)).flat();
}
