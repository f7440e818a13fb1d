/** The tokens or classes that a neuron promotes most. */
import { standingOf, strongest, visible } from "../../core/promoted";
import { short } from "../../core/scale";
import { type PromotedMessage, promotedOf } from "../../protocol/browser";
import type { Effect } from "../../protocol/split";
import { Cell } from "./grid-parts";
import type { State } from "./state";
import "./promotes.css";

export function PromotesCell({ state, index }: { state: State; index: number }) {
  const message = state.promoted.value;
  const strip = message && promotedOf(message, index);
  if (message?.note) {
    return (
      <Cell>
        <span class="nw-quiet" title={message.note}>
          –
        </span>
      </Cell>
    );
  }
  if (!strip) {
    return (
      <Cell>
        <span class="nw-quiet" title="It is computed in the background, in view first.">
          not yet
        </span>
      </Cell>
    );
  }
  if (strongest(strip) === 0) {
    return (
      <Cell>
        <span class="nw-quiet" title="No output changes with the neuron.">
          none
        </span>
      </Cell>
    );
  }
  const { chance } = standingOf(strip, message.high);
  return (
    <Cell
      class={`nw-promotes ${chance ? "nw-reached" : ""}`}
      title={inWords(message, strip, chance)}
    >
      <span>
        {strip.promoted.map(({ name }, i) => (
          <>
            {i > 0 && " · "}
            <bdi>{visible(name)}</bdi>
          </>
        ))}
      </span>
    </Cell>
  );
}

function inWords(
  { poles, high }: PromotedMessage,
  { promoted, demoted }: { promoted: Effect[]; demoted: Effect[] },
  chance: boolean,
): string {
  const side = (effects: Effect[]) =>
    effects
      .map(
        ({ name, value }) => `${visible(name)} ${value < 0 ? "−" : "+"}${short(Math.abs(value))}`,
      )
      .join(", ");
  const [up, down] = poles
    ? ["above zero it promotes", "below zero it promotes"]
    : ["promotes", "demotes"];
  const lines = [`${up}: ${side(promoted)}`];
  const mirrored = poles ? demoted.map(({ name, value }) => ({ name, value: -value })) : demoted;
  lines.push(`${down}: ${side(mirrored)}`);
  lines.push(`logits a unit; 95% of random directions: up to ${short(high)}`);
  if (chance) lines.push("as a random direction");
  return lines.join("\n");
}
