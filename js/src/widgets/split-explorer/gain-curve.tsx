/** How selective the concepts of each measured cut are, above the slider of the cut height. */
import { gainsOf } from "../../core/causes";
import { counted, short, toUnit } from "../../core/scale";
import { topOf } from "../../core/tree";
import type { TreeMessage } from "../../protocol/split";
import type { State } from "./state";
import "./gain-curve.css";

/** The picture's own units. */
const [WIDE, TALL] = [1000, 30];
/** Fewer cuts are no curve. */
const FEWEST = 2;

export function GainCurve({ state, data }: { state: State; data: TreeMessage }) {
  const gains = gainsOf(state.evidence.value?.causes ?? null, data.tree);
  if (gains.length < FEWEST) return null;
  const [least, most] = [
    Math.min(0, ...gains.map(({ low }) => low)),
    Math.max(0, ...gains.map(({ high }) => high)),
  ];
  const x = (height: number) => toUnit(height, topOf(data.tree), state.comb.value) * WIDE;
  const y = (value: number) => 2 + (1 - (value - least) / (most - least || 1)) * (TALL - 4);
  const words = gains.map(
    ({ concepts, value, low, high }) =>
      `${counted(concepts, "concept")}: ${short(value)} (${short(low)} to ${short(high)})`,
  );
  const now = state.threshold.value;
  return (
    <svg
      class="nw-gain-curve"
      viewBox={`0 0 ${WIDE} ${TALL}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`selectivity by cut height, in nats: ${words.join("; ")}`}
    >
      <title>
        Which cut matters most to the model? Nats that own samples lose more than siblings’, less
        the same by random directions. {words.join("; ")}
      </title>
      <path class="nw-gain-zero" d={`M0 ${y(0)}H${WIDE}`} />
      {gains.map(({ from, to, value, low, high, concepts }) => (
        <g key={`${concepts} ${from}`} class={from <= now && now < to ? "nw-gain-now" : undefined}>
          <path
            class="nw-gain-interval"
            d={`M${x(from)} ${y(low)}H${x(to)}V${y(high)}H${x(from)}z`}
          />
          <path class="nw-gain-value" d={`M${x(from)} ${y(value)}H${x(to)}`} />
        </g>
      ))}
    </svg>
  );
}
