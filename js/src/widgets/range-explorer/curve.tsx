/** What the rule's mask costs at every width, and the present width on it. */
import { useSignal } from "@preact/signals";
import { isolated } from "../../core/direction";
import { fixed, short } from "../../core/scale";
import type { RangesMessage } from "../../protocol/ranges";
import type { Curve } from "../../protocol/schema";
import { memo } from "../../view/memo";
import { Segmented } from "../../view/segmented";
import type { State } from "./state";
import "./curve.css";

/** The largest tau. */
const WIDEST = 4;

interface Lines {
  target: readonly (number | null)[];
  other: readonly (number | null)[];
}

interface Scale {
  low: number;
  high: number;
  ticks: number[];
  say: (value: number) => string;
}

const ACCURACY: Scale = {
  low: 0,
  high: 1,
  ticks: [0, 0.5, 1],
  say: (value) => `${short(value * 100)}%`,
};

export function CostCurve({ state, data }: { state: State; data: RangesMessage }) {
  const wished = useSignal<boolean | null>(null);
  // Accuracy seldom shows one neuron.
  const inNats = wished.value ?? state.thisNeuronOnly.value;
  const curve = state.curve.value;
  if (!curve || curve.tau.length < 2) return null;
  const lines: Lines = inNats ? { target: curve.target_nats, other: curve.other_nats } : curve;
  const scale = inNats ? natsScale(lines) : ACCURACY;
  return (
    <figure class="nw-cost-curve">
      <figcaption>
        <span title="What does the mask cost at every width of the range?">Cost by width τ</span>
        <span class="nw-keys">
          <i class="nw-curve-line nw-target" />
          <span dir="auto">{data.labels[curve.for.label]}</span>
          {data.labels.length > 1 && (
            <>
              <i class="nw-curve-line nw-others" /> all others
            </>
          )}
        </span>
        <Segmented
          label="what the curve shows"
          segments={[
            { value: false, text: "accuracy" },
            {
              value: true,
              text: "nats",
              title: "How much does the mean log-probability of the right class change?",
            },
          ]}
          chosen={inNats}
          onChoose={(next) => {
            wished.value = next;
          }}
        />
      </figcaption>
      <div class="nw-chart">
        <Drawn
          curve={curve}
          inNats={inNats}
          name={isolated(data.labels[curve.for.label] ?? "")}
          alone={data.labels.length === 1}
        />
        <Present state={state} scale={scale} inNats={inNats} />
      </div>
    </figure>
  );
}

/** Changes in nats lie below 0, but for masks that help. */
function natsScale({ target, other }: Lines): Scale {
  const known = [...target, ...other].filter((value) => value !== null);
  const low = Math.min(0, ...known);
  const high = Math.max(0, ...known);
  const room = Math.max(high - low, 1e-3);
  const decimals = room < 0.1 ? 3 : room < 3 ? 2 : 1;
  const ends = { low: low - 0.04 * room, high: high + 0.04 * room };
  return { ...ends, ticks: low < 0 ? [0, low] : [0], say: (value) => fixed(value, decimals) };
}

const y = (value: number, { low, high }: Scale) => 100 * (1 - (value - low) / (high - low));
const x = (tau: number) => (100 * tau) / WIDEST;

interface DrawnProps {
  curve: Curve;
  inNats: boolean;
  name: string;
  alone: boolean;
}

/** The lines, drawn once for what was measured. */
const Drawn = memo(({ curve, inNats, name, alone }: DrawnProps) => {
  const lines: Lines = inNats ? { target: curve.target_nats, other: curve.other_nats } : curve;
  const scale = inNats ? natsScale(lines) : ACCURACY;
  const said = (values: readonly (number | null)[]) => {
    const ends = [values[0], values[values.length - 1]];
    return ends.map((value) => (value == null ? "–" : scale.say(value))).join(" to ");
  };
  return (
    <>
      <svg
        viewBox="0 0 100 100"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${inNats ? "Change in nats" : "Accuracy"} for widths 0 to ${WIDEST}: ${name} ${said(lines.target)}${alone ? "" : `, all others ${said(lines.other)}`}`}
      >
        {scale.ticks.map((tick) => (
          <line
            key={tick}
            class="nw-tick"
            x1="0"
            x2="100"
            y1={y(tick, scale)}
            y2={y(tick, scale)}
          />
        ))}
        {!alone && <path class="nw-others" d={pathOf(curve.tau, lines.other, scale)} />}
        <path class="nw-target" d={pathOf(curve.tau, lines.target, scale)} />
      </svg>
      {scale.ticks.map((tick) => (
        <span key={tick} class="nw-tick-value" style={{ top: `${y(tick, scale)}%` }}>
          {scale.say(tick)}
        </span>
      ))}
      {[0, 1, 2, 3, 4].map((tau) => (
        <span key={tau} class="nw-tau" style={{ left: `${x(tau)}%` }}>
          {tau}
        </span>
      ))}
    </>
  );
});

function pathOf(taus: readonly number[], values: readonly (number | null)[], scale: Scale): string {
  let path = "";
  taus.forEach((tau, i) => {
    const value = values[i];
    if (value != null) path += `${path ? "L" : "M"}${x(tau)} ${y(value, scale)}`;
  });
  return path;
}

/** The present width, at every frame of a drag. */
function Present({ state, scale, inNats }: { state: State; scale: Scale; inNats: boolean }) {
  const read = state.onCurve.value;
  const width = state.width.value;
  const values = inNats ? [read.other_nats, read.target_nats] : [read.other, read.target];
  return (
    <>
      <i
        class="nw-present"
        style={{ left: `${x(width)}%` }}
        title={`${state.custom.value ? "As wide as your band" : "This width"}: τ ${fixed(width, 2)}`}
      />
      {values.map((value, i) =>
        value === null ? null : (
          <i
            key={i}
            class={i ? "nw-curve-dot nw-target" : "nw-curve-dot nw-others"}
            style={{ left: `${x(width)}%`, top: `${y(value, scale)}%` }}
          />
        ),
      )}
    </>
  );
}
