/** What the neuron makes of the whole box. */
import { short, tenths } from "../../core/scale";
import type { Slot } from "../../protocol/probe";
import "./total.css";

export function Total({ slot }: { slot: Slot | undefined }) {
  if (!slot) return null;
  const { pooled, percentile, note } = slot;
  return (
    <>
      {pooled !== null && (
        <p class="nw-total">
          <b title="What does the neuron make of the whole?">{short(pooled)}</b>
          {percentile !== null && (
            <span class="nw-quiet">
              higher than {percentile === 1 ? "all" : tenths(percentile)} of the data set
            </span>
          )}
        </p>
      )}
      {note && (
        <p class="nw-probe-note" role="note">
          {note}
        </p>
      )}
    </>
  );
}
