/** What breaks without each concept: three short bars on its card, and how to have them. */
import { causeOf, cutOf, SIDES, scaleOf, verdictOf } from "../../core/causes";
import type { Concept } from "../../core/concepts";
import { counted, grouped, short } from "../../core/scale";
import type { Cause, Interval } from "../../protocol/split";
import type { State } from "./state";
import "./causes.css";

const TITLES = { own: "own", siblings: "siblings", others: "others" };
const ABOUT = {
  own: "the concept’s own held-out samples",
  siblings: "samples of the neuron’s other concepts",
  others: "all other samples",
};

const twoFigures = (value: number) => (value >= 10 ? short(value) : Number(value.toPrecision(2)));
const signed = (value: number) =>
  Number.isFinite(value) ? `${value < 0 ? "−" : "+"}${twoFigures(Math.abs(value))}` : "–";
const spoken = ({ value, low, high }: Interval) =>
  `${signed(value)} nats (${signed(low)} to ${signed(high)})`;

/** The measurement of the cut on the screen; null: not measured. */
const measuredOf = (state: State) => {
  const cut = state.current.value;
  return cutOf(
    state.evidence.value?.causes ?? null,
    (cut?.concepts ?? []).map(({ node }) => node),
    cut?.mark ? state.threshold.value : null,
  );
};

/** On the neuron's card: the button, what it has found in words, and what the bars are. */
export function CausesHead({ state }: { state: State }) {
  const causes = state.evidence.value?.causes;
  const cut = state.current.value;
  if (!causes || !cut?.concepts.length) return null;
  if (!causes.able) {
    return (
      <p class="nw-caption">
        <span>
          what breaks without each concept: give <code>held_out=(data, labels)</code>
        </span>
      </p>
    );
  }
  const measured = measuredOf(state);
  const busy = state.status.value.state === "running";
  const done = measured && !measured.note && measured.done === undefined;
  const begun = measured && !measured.note;
  return (
    <div class="nw-causes">
      <div class="nw-caption">
        <span title="What does the model lose on held-out samples if a concept’s direction is taken out?">
          what breaks without each concept
        </span>
        {done ? (
          <span>
            {grouped(measured.samples)} held-out samples, every edit at KL {causes.kl}
          </span>
        ) : (
          <button
            type="button"
            disabled={busy || state.gone.value}
            title={
              state.gone.value
                ? "That needs the kernel"
                : "Take each concept out of the model? It takes seconds; the status line stops it."
            }
            onClick={() => state.request({ type: "causes.measure" })}
          >
            {busy ? "measuring…" : "measure"}
          </button>
        )}
      </div>
      {measured?.note && <p class="nw-caption">{measured.note}</p>}
      {begun && (
        <p class="nw-caption nw-cause-legend">
          <span>bars: nats lost, with 95% interval</span>
          <span>
            <i class="nw-tick-neuron" /> without the neuron
          </span>
          <span>
            <i class="nw-tick-random" /> without a random direction
          </span>
        </p>
      )}
      {done && (
        <>
          <Findings sentences={measured.findings} />
          <button
            type="button"
            class="nw-every"
            disabled={busy || state.gone.value}
            title="Which cut matters most to the model? It measures every cut into up to ten concepts, for a curve above the slider; the status line stops it."
            onClick={() => state.request({ type: "causes.measure", every: true })}
          >
            {busy ? "measuring…" : "measure every cut"}
          </button>
        </>
      )}
    </div>
  );
}

/** What the numbers do not show by themselves. The first sentence says most: it is always there. */
function Findings({ sentences: [first, ...more] }: { sentences: string[] }) {
  if (!first) return null;
  return (
    <div class="nw-findings">
      <p dir="auto">{first}</p>
      {more.length > 0 && (
        <details>
          <summary>{counted(more.length, "more finding")}</summary>
          {more.map((sentence) => (
            <p key={sentence} dir="auto">
              {sentence}
            </p>
          ))}
        </details>
      )}
    </div>
  );
}

/** On a concept's card: its bars; nothing where its cut was not measured. */
export function CauseBars({ state, concept }: { state: State; concept: Concept }) {
  const measured = measuredOf(state);
  const cause = measured && causeOf(measured, concept);
  if (!measured || !cause) return null;
  const { word, chance } = verdictOf(cause);
  const scale = scaleOf(measured.of);
  return (
    <div class={`nw-cause ${chance ? "nw-faint" : ""}`}>
      {SIDES.map((side) => (
        <Bar key={side} side={side} cause={cause} scale={scale} color={concept.color} />
      ))}
      <span
        class="nw-quiet nw-verdict-word"
        title={`Do its own samples lose more than without random directions: ${spoken(cause.above)}; more than its siblings’: ${spoken(cause.selectivity)}?`}
      >
        {word}
      </span>
    </div>
  );
}

interface BarProps {
  side: (typeof SIDES)[number];
  cause: Cause;
  scale: [number, number];
  color: string;
}

function Bar({ side, cause, scale: [least, most], color }: BarProps) {
  const at = (value: number) => ((value - least) / (most - least)) * 100;
  const loss = cause.concept[side];
  const [neuron, random] = [cause.neuron[side].value, cause.random[side].value];
  const said = `${ABOUT[side]} lose ${spoken(loss)}; without the whole neuron ${signed(neuron)}, without a random direction ${signed(random)}`;
  const known = Number.isFinite(loss.value);
  const [from, to] = [Math.min(0, loss.value), Math.max(0, loss.value)];
  return (
    <span class="nw-cause-row" title={said}>
      <span class="nw-quiet">{TITLES[side]}</span>
      <span class="nw-cause-track" role="img" aria-label={said}>
        <i class="nw-cause-zero" style={{ left: `${at(0)}%` }} />
        {known && (
          <>
            <i
              class="nw-cause-bar"
              style={{
                left: `${at(from)}%`,
                width: `max(1px, ${at(to) - at(from)}%)`,
                background: side === "own" ? color : undefined,
              }}
            />
            <i
              class="nw-cause-interval"
              style={{ left: `${at(loss.low)}%`, width: `${at(loss.high) - at(loss.low)}%` }}
            />
          </>
        )}
        {Number.isFinite(random) && (
          <i class="nw-cause-tick nw-tick-random" style={{ left: `${at(random)}%` }} />
        )}
        {Number.isFinite(neuron) && (
          <i class="nw-cause-tick nw-tick-neuron" style={{ left: `${at(neuron)}%` }} />
        )}
      </span>
      <span class="nw-cause-value">{known ? signed(loss.value) : "no samples"}</span>
    </span>
  );
}
