/** What the registry's scores say of the neuron: a line, which opens. */
import { short } from "../../core/scale";
import type { Score } from "../../protocol/split";

const said = (value: number | null) => (value === null ? "–" : short(value).replace("-", "−"));

export function Scores({ scores }: { scores: Score[] }) {
  const brief = scores.filter(({ main }) => main).map((s) => `${s.title} ${said(s.value)}`);
  return (
    <details class="nw-scores">
      <summary title="at the suggested cut">
        scores<span class="nw-brief">: {brief.join(" · ") || "…"}</span>
      </summary>
      <ul>
        {scores.map(({ name, title, value, about, main }) => (
          <li key={name} class={main ? "" : "nw-part"} title={about}>
            <span>{title}</span>
            <span class="nw-value">{said(value)}</span>
            <span class="nw-hidden">{about}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
