/** Which word carries it: each word deleted alone, and what that costs the neuron and the concept. */
import { short } from "../../core/scale";
import type { ReadingsMessage } from "../../protocol/probe";
import type { DeletedWords } from "../../protocol/schema";
import { NeedsKernel } from "../../view/needs-kernel";
import type { State } from "./state";
import "./deletions.css";

/** Words that are shown, those with the largest drops. */
const SHOWN = 8;

export function Deletions({ state, data }: { state: State; data: ReadingsMessage }) {
  const deletions = state.deletions.value;
  const busy = state.status.value.state === "running";
  return (
    <section class="nw-probe-part" aria-label="Deletions">
      <div class="nw-heading">
        <NeedsKernel gone={state.gone.value}>
          <button
            type="button"
            disabled={busy || data.slots[0]?.pooled == null}
            title="How much does the activation drop when each word is deleted alone?"
            onClick={() => state.request({ type: "deletions.request" })}
          >
            which word carries it
          </button>
        </NeedsKernel>
        {deletions && (
          <span class="nw-quiet nw-small">
            {deletions.words.length} words, each deleted alone · <i class="nw-control-key" /> a
            random word
          </span>
        )}
      </div>
      {deletions && <Drops data={data} deletions={deletions} />}
    </section>
  );
}

function Drops({ data, deletions }: { data: ReadingsMessage; deletions: DeletedWords }) {
  const { words, drops, concept, concept_drops, random } = deletions;
  const order = words.map((_, i) => i).sort((a, b) => drops[b] - drops[a]);
  const shown = order.slice(0, SHOWN);
  const known = data.concepts[concept];
  return (
    <table class="nw-drops">
      <thead>
        <tr>
          <th scope="col">word</th>
          <th scope="col" title="The pooled activation less that without the word">
            drop of the neuron
          </th>
          {known && (
            <th scope="col" title="The leading concept’s share less that without the word">
              drop of <i class="nw-share-dot" style={{ background: known.color }} /> {known.name}
            </th>
          )}
        </tr>
      </thead>
      <tbody>
        {shown.map((i) => (
          <tr key={i}>
            <th scope="row">
              <bdi>{words[i]}</bdi>
            </th>
            <Drop value={drops[i]} all={drops} random={random[0]} color="var(--nw-ink)" />
            {known && (
              <Drop
                value={concept_drops[i]}
                all={concept_drops}
                random={random[1]}
                color={known.color}
              />
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface DropProps {
  value: number;
  all: readonly number[];
  random: number;
  color: string;
}

function Drop({ value, all, random, color }: DropProps) {
  const low = Math.min(0, ...all);
  const high = Math.max(1e-9, ...all);
  const place = (at: number) => ((at - low) / (high - low)) * 100;
  return (
    <td>
      <span class="nw-drop">
        <span class="nw-share-bar">
          <i
            style={{
              left: `${place(Math.min(0, value))}%`,
              width: `${Math.abs(place(value) - place(0))}%`,
              "--nw-of": color,
            }}
          />
          <b style={{ left: `${place(random)}%` }} />
        </span>
        <span class="nw-share-number">{short(Number(value.toPrecision(2)))}</span>
      </span>
    </td>
  );
}
