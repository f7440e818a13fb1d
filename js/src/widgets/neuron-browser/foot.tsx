/** Below the table: what it lacks, and which scores it may show. */
import type { TableMessage } from "../../protocol/browser";
import { memo } from "../../view/memo";
import { otherScores } from "./columns";
import type { State } from "./state";

/** Whether no neuron varies. */
const isDead = ({ least, largest }: TableMessage): boolean =>
  least.length > 0 && least.every((low, i) => !(largest[i] > low));

function Foot({ state, table }: { state: State; table: TableMessage }) {
  const others = otherScores(table);
  const { extra } = state;
  const note =
    table.samples < 2
      ? "One sample: a neuron is split by at least two."
      : isDead(table)
        ? "Every neuron has one activation for all samples (a dead layer): there is nothing to split."
        : table.split === 0
          ? "No neuron is split yet: concepts and scores come with the splits."
          : "";
  return (
    <div class="nw-caption nw-table-foot">
      <span>{note || "Enter opens a neuron, space selects it, p pins it"}</span>
      {others.length > 0 && (
        <select
          aria-label="Show or hide a score"
          value=""
          onChange={({ currentTarget: field }) => {
            const name = field.value;
            field.value = "";
            if (!name) return;
            extra.value = extra.value.includes(name)
              ? extra.value.filter((other) => other !== name)
              : [...extra.value, name];
          }}
        >
          <option value="">more scores…</option>
          {others.map(({ name, title }) => (
            <option key={name} value={name}>
              {extra.value.includes(name) ? `hide ${title}` : title}
            </option>
          ))}
        </select>
      )}
    </div>
  );
}

/** Scrolling changes nothing in it. */
export const TableFoot = memo(Foot);
