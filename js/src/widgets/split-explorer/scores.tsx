/** Scores of the neuron, on a line that opens. */
import { short } from "../../core/scale";
import type { NeuronScore } from "../../protocol/schema";
import "./scores.css";

const written = (value: number | null) => (value === null ? "–" : short(value));

/** `elsewhere`: whether the cut height is not the suggested one, of which the scores are. */
export function Scores({ scores, elsewhere }: { scores: NeuronScore[]; elsewhere: boolean }) {
  const brief = scores.filter(({ main }) => main).map((s) => `${s.title} ${written(s.value)}`);
  return (
    <details class="nw-scores">
      <summary title="How polysemantic is the neuron, at the suggested cut?">
        <span class="nw-brief">
          scores{elsewhere ? " at the suggested cut" : ""}
          <span class="nw-score-list">: {brief.join(" · ") || "…"}</span>
        </span>
      </summary>
      <ul>
        {scores.map(({ name, title, value, about, main }) => (
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
