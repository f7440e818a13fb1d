/** What the mask costs the model: bars without a mask, with the ranges masked, with the neurons. */
import { isolated } from "../../core/direction";
import { fixed, grouped, short } from "../../core/scale";
import type { RangesMessage } from "../../protocol/ranges";
import type { Bar, Bars, Changes, Measure, RandomBands } from "../../protocol/schema";
import { CostCurve } from "./curve";
import type { State } from "./state";
import "./cost.css";

const MASKS = [
  ["base", "no mask"],
  ["range", "range mask"],
  ["neuron", "neuron mask"],
] as const;

const UNKNOWN: Bar = [null, null, null];
const NOTHING: Bars = { base: UNKNOWN, range: UNKNOWN, neuron: UNKNOWN };

interface Props {
  state: State;
  data: RangesMessage;
}

export function Cost({ state, data }: Props) {
  return (
    <section class="nw-cost">
      <div class="nw-heading">
        <h3 title="What does the mask cost the model?">Mask cost</h3>
        {state.capabilities.value.measure && <Masked state={state} />}
      </div>
      {state.capabilities.value.measure ? (
        <Measured state={state} data={data} />
      ) : (
        <p class="nw-quiet">
          {data.what === "concept" ? "Open labelled activations with " : "Give "}
          <code>model=</code> and <code>data=</code> (held-out) to measure what a mask costs; in{" "}
          <code>nw.explore</code>, <code>held_out=(data, labels)</code>.
        </p>
      )}
    </section>
  );
}

/** Which neurons the mask edits. */
function Masked({ state }: { state: State }) {
  const { top, thisNeuronOnly } = state;
  const shares = [0.1, 0.3, 0.5, 1];
  if (!shares.includes(top.value)) shares.push(top.value);
  shares.sort((a, b) => a - b);
  return (
    <label class="nw-masked">
      <span class="nw-quiet">mask</span>
      <select
        aria-label="mask: the neurons that it edits"
        title="Which neurons does the mask edit?"
        value={thisNeuronOnly.value ? "alone" : String(top.value)}
        onChange={(event) => {
          const { value } = event.currentTarget;
          state.setMasked(value === "alone" ? null : Number(value));
        }}
      >
        <option value="alone">this neuron only</option>
        {shares.map((share) => (
          <option key={share} value={String(share)}>
            {share === 1 ? "all neurons" : `top ${short(share * 100)}%`}
          </option>
        ))}
      </select>
    </label>
  );
}

function Measured({ state, data }: Props) {
  const about = state.estimate.value;
  const done = about ?? state.measure.value;
  const stale = state.stale.value;
  // Stale bars keep the name of what they measured.
  const name = isolated(data.labels[done?.for.label ?? state.label.value] ?? "");
  return (
    <>
      <table class={`nw-bars ${about ? "nw-about" : stale ? "nw-stale" : ""}`} aria-busy={stale}>
        <Columns
          name={name}
          done={done}
          perplexity={state.capabilities.value.perplexity}
          only={data.labels.length === 1}
          about={about !== null}
        />
        {done && (
          <Control
            random={done.random ?? null}
            perplexity={state.capabilities.value.perplexity}
            only={data.labels.length === 1}
            old={about !== null}
          />
        )}
      </table>
      {!stale &&
        (done?.findings ?? []).map((sentence) => (
          <p key={sentence} class="nw-finding" dir="auto">
            {sentence}
          </p>
        ))}
      <p class="nw-caption">
        <span>{progress(state, data, done)}</span>
        {done?.note && <span>{done.note}</span>}
      </p>
      <CostCurve state={state} data={data} />
    </>
  );
}

function progress(state: State, data: RangesMessage, done: Measure | null): string {
  if (data.why[state.label.value]) return "no range, nothing to mask";
  const busy = state.status.value.state === "running";
  if (!done && state.gone.value) return "not measured: that needs the kernel";
  if (!done) return busy ? "measuring…" : "measured when the range rests";
  if (state.estimate.value)
    return state.gone.value
      ? "≈ read off the curve: measuring this range needs the kernel"
      : "≈ read off the curve; measured when the range rests";
  if (state.stale.value) {
    if (state.gone.value) return "measured for another range: a new one needs the kernel";
    return busy ? "measuring… (these are for the range before)" : "measured for the range before";
  }
  const seen = grouped(done.samples);
  // How many a stream of batches has is known at its end.
  if (!done.of || done.samples >= done.of) return `measured on ${seen} held-out samples`;
  return `measured on ${seen} of ${grouped(done.of)} held-out samples`;
}

interface ColumnsProps {
  name: string;
  done: Measure | null;
  perplexity: boolean;
  /** Whether there are no other classes. */
  only: boolean;
  /** Whether the range mask's values are read off the curve. */
  about: boolean;
}

interface Column {
  title: string;
  what: string;
  bars: Bars;
  most: number;
  say: (value: number) => string;
  /** Of perplexity, from 1: no text has less. */
  logarithmic?: boolean;
  /** Change of the log-probability of the right class. */
  nats?: Changes | undefined;
}

function Columns({ name, done, perplexity, only, about }: ColumnsProps) {
  const accuracy = { what: "accuracy", most: 1, say: share };
  const columns: Column[] = [
    { title: name, bars: done?.target ?? NOTHING, nats: done?.target_nats, ...accuracy },
  ];
  if (!only)
    columns.push({
      title: "all others",
      bars: done?.other ?? NOTHING,
      nats: done?.other_nats,
      ...accuracy,
    });
  const text = done?.perplexity ?? (perplexity ? NOTHING : null);
  if (text)
    columns.push({
      title: "perplexity",
      what: "lower is better; log scale",
      bars: text,
      most: mostOf(text),
      say: plain,
      logarithmic: true,
    });
  return (
    <>
      <thead>
        <tr>
          <td />
          {columns.map(({ title, what }, i) => (
            <th key={i} scope="col" title={`${title}: ${what}`}>
              <span>{title}</span>
              <span class="nw-quiet">{what}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {MASKS.map(([mask, said]) => (
          <tr key={mask}>
            <th scope="row">{said}</th>
            {columns.map(({ bars, most, say, logarithmic, nats }, i) => (
              <td key={i}>
                <BarOf
                  bar={bars[mask]}
                  mask={mask}
                  unitOf={logarithmic ? logUnit(most) : (value) => value / most}
                  say={say}
                  // Perplexity is not on the curve.
                  about={about && mask === "range" ? (nats ? "≈" : "old") : ""}
                  change={nats && mask !== "base" ? nats[mask] : null}
                />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </>
  );
}

interface ControlProps {
  random: RandomBands | null;
  perplexity: boolean;
  only: boolean;
  /** Whether it is the control of another range. */
  old: boolean;
}

/** What random bands of the same share cost, quietly: the range is to cost something else. */
function Control({ random, perplexity, only, old }: ControlProps) {
  const cells: [Bar | undefined, Bar | null | undefined, (value: number) => string][] = [
    [random?.target, random?.target_nats, share],
  ];
  if (!only) cells.push([random?.other, random?.other_nats, share]);
  if (perplexity) cells.push([random?.perplexity, null, plain]);
  const draws = random ? ` Mean of ${random.draws} draws.` : "";
  return (
    <tbody class={`nw-control nw-quiet ${old ? "nw-old" : ""}`}>
      <tr>
        <th
          scope="row"
          title={`What do bands at random places cost that hold as many samples, on the same neurons?${draws}`}
        >
          random bands
        </th>
        {cells.map(([bar, nats, say], i) => (
          <td key={i}>
            <span class="nw-figure">
              <span title={bar ? withInterval(bar, say) : undefined}>
                {bar?.[0] == null ? "–" : say(bar[0])}
              </span>
              {nats && <Nats change={nats} />}
            </span>
          </td>
        ))}
      </tr>
    </tbody>
  );
}

function withInterval([value, low, high]: Bar, say: (value: number) => string): string {
  const said = value === null ? "–" : say(value);
  const known = value !== null && low !== null && high !== null;
  return known ? `${said} (95% interval: ${say(low)} to ${say(high)})` : said;
}

/** How much the mask changes the log-probability of the right class. */
function Nats({ change: [value, low, high] }: { change: Bar }) {
  if (value === null) return null;
  const interval = `95% interval: ${fixed(low, 3)} to ${fixed(high, 3)}`;
  return (
    <small
      class="nw-nats nw-quiet"
      title={`Change of the mean log-probability of the right class: ${fixed(value, 3)} nats (${interval})`}
    >
      {signed(value)} nats
    </small>
  );
}

const signed = (value: number) =>
  `${value > 0 ? "+" : ""}${fixed(value, Math.abs(value) < 1 ? 3 : 2)}`;
const share = (value: number) => `${(value * 100).toFixed(1)}%`;
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const plain = (value: number) => {
  if (value < 1000) return value.toPrecision(3);
  if (value < 100_000) return short(Math.round(value));
  return value < 1e15 ? compact.format(value) : short(value);
};

function mostOf(bars: Bars): number {
  let most = 0;
  for (const bar of [bars.base, bars.range, bars.neuron])
    for (const value of bar)
      if (value !== null && Number.isFinite(value)) most = Math.max(most, value);
  return most || 1;
}

const logUnit = (most: number) => (value: number) =>
  most > 1 ? Math.log(Math.max(1, value)) / Math.log(most) : 0;

interface BarProps {
  bar: Bar;
  mask: string;
  /** Where a value stands on the bar, 0 to 1. */
  unitOf: (value: number) => number;
  say: (value: number) => string;
  /** Read off the curve; or of another width; or empty. */
  about: "≈" | "old" | "";
  /** The change in nats, where there is one. */
  change: Bar | null;
}

function BarOf({ bar, mask, unitOf, say, about, change }: BarProps) {
  const [value, low, high] = bar;
  const at = (v: number) => `${Math.min(1, Math.max(0, unitOf(v))) * 100}%`;
  const known = value !== null && low !== null && high !== null;
  const said = value === null ? "–" : say(value);
  return (
    <span
      class={`nw-bar ${about === "≈" ? "nw-estimate" : about ? "nw-old" : ""}`}
      title={withInterval(bar, say)}
    >
      <span class="nw-figure">
        <b>
          {about === "≈" && "≈ "}
          {said}
        </b>
        {change && <Nats change={change} />}
      </span>
      <i class="nw-length">
        {value !== null && <i class={`nw-${mask}`} style={{ width: at(value) }} />}
        {known && (
          <i
            class="nw-whisker"
            style={{
              left: at(low),
              right: `calc(100% - ${at(high)})`,
              "--nw-split": `${high > low ? ((value - low) / (high - low)) * 100 : 0}%`,
            }}
          />
        )}
      </i>
    </span>
  );
}
