/** How much each of the neuron's concepts has of a box: bars, with a random direction as control. */
import { titlesOf } from "../../core/concepts";
import { fixed, short } from "../../core/scale";
import { aboveControl } from "../../core/shares";
import { quoted } from "../../core/text";
import type { ReadingsMessage } from "../../protocol/probe";
import type { State } from "./state";
import "./concepts.css";

const ABOUT =
  "How much of the whole points along each concept? The dot product of the pooled layer vector with the concept’s direction of unit length, both from the layer’s mean. The thin mark is the control: the same with a random direction, to the mean of as many random samples of the same top samples.";

export function Concepts({ state, data }: { state: State; data: ReadingsMessage }) {
  const { concepts, slots } = data;
  if (!concepts.length) return null;
  const { low, high } = state.span.value;
  const place = (value: number) => ((value - low) / (high - low)) * 100;
  const titles = titlesOf(concepts, {});
  const first = slots[0];
  const two = slots.length > 1 && slots.every(({ shares }) => shares.length > 0);
  return (
    <section class="nw-shares-of" aria-label="Concepts">
      <div class="nw-heading">
        <h3 title={ABOUT}>Concepts’ shares</h3>
        <span class="nw-quiet nw-small" title={ABOUT}>
          <i class="nw-control-key" /> random direction
        </span>
      </div>
      <ul>
        {concepts.map(({ color }, k) => {
          const name = titles[k];
          const shares = slots.map((slot) => slot.shares[k] ?? 0);
          const words = slots
            .filter((slot) => slot.shares.length)
            .map((slot) => `share ${short(slot.shares[k])}, random ${short(slot.control[k] ?? 0)}`);
          const gain = shares[1] - shares[0];
          return (
            <li key={k}>
              <button
                type="button"
                class={`nw-concept ${state.lit.value === k ? "nw-share-lit" : ""}`}
                aria-pressed={state.pinned.value === k}
                aria-label={`${name}: ${words.join("; second box ")}`}
                title={`Where in the text is ${quoted(name)}?`}
                onPointerEnter={() => state.hover(k)}
                onPointerLeave={() => state.hover(null)}
                onFocus={({ currentTarget }) =>
                  currentTarget.matches(":focus-visible") && state.hover(k)
                }
                onBlur={() => state.hover(null)}
                onClick={() => state.pin(k)}
              >
                <i class="nw-share-dot" style={{ background: color }} />
                <span class="nw-share-name">{name}</span>
                <span class="nw-share-number">
                  {two
                    ? `${gain < 0 ? "" : "+"}${fixed(gain, 2)}`
                    : slots[0]?.shares.length
                      ? fixed(shares[0], 2)
                      : "–"}
                </span>
                <span class="nw-share-bars">
                  {slots.map((slot, i) => (
                    <span key={i} class="nw-share-bar">
                      {slot.shares.length > 0 && (
                        <>
                          <i
                            class={i ? "nw-second" : ""}
                            style={{
                              left: `${place(Math.min(0, shares[i]))}%`,
                              width: `${Math.abs(place(shares[i]) - place(0))}%`,
                              "--nw-of": color,
                            }}
                          />
                          <b style={{ left: `${place(slot.control[k] ?? 0)}%` }} />
                        </>
                      )}
                    </span>
                  ))}
                </span>
              </button>
            </li>
          );
        })}
      </ul>
      {first?.shares.length > 0 && (
        <p class="nw-quiet nw-small">
          {aboveControl(first.shares, first.control)} of {concepts.length} have more of it than a
          random direction; by chance about half would.
        </p>
      )}
      {two && <p class="nw-quiet nw-small">upper bar: first box · lower bar: second box</p>}
    </section>
  );
}
