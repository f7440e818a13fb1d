/** How training went: loss, monosemantic neurons and mean bias over the steps, and the scrubber. */
import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Point } from "../../core/curves";
import { fixed, grouped, short, tenths } from "../../core/scale";
import { stepTicks, unitOfStep } from "../../core/steps";
import type { Theme } from "../../model/theme";
import type { Run, Still } from "../../protocol/toy";
import { Canvas, type Size } from "../../view/canvas";
import { Badge } from "./badge";
import { type Chart, drawChart, LEFT, RIGHT } from "./chart";
import { Scrubber } from "./scrubber";
import type { State } from "./state";
import "./curves.css";

interface Props {
  state: State;
  theme: Signal<Theme>;
}

interface Kind {
  title: string;
  hint: string;
  /** Values of the log, and of a still. */
  log: (run: Run) => ArrayLike<number>;
  of: (still: Still) => number | null;
  text: (value: number | null) => string;
  /** Of the axis: what it surely holds and at most, and what is written at a place. */
  least: [number, number];
  most: number;
  tick: (place: number) => string;
  /** Logarithmic: places are powers of ten. */
  logarithmic?: boolean;
  base?: { value: number; text: string };
}

const plain = (value: number) => short(value).replace("-", "−");

const KINDS: Kind[] = [
  {
    title: "training loss",
    hint: "as a share of the best linear map’s",
    log: ({ log }) => log.loss,
    of: ({ loss }) => loss,
    text: tenths,
    // A loss of 4% is to be told from 8%, after a start at 1,000%.
    logarithmic: true,
    least: [-1, 0.2],
    most: 4,
    tick: (place) => `${Number((10 ** (place + 2)).toPrecision(3))}%`,
    base: { value: 0, text: "best linear map" },
  },
  {
    title: "monosemantic per feature",
    hint: "how many neurons are monosemantic, divided by the number of features",
    log: ({ log, now }) => Array.from(log.monosemantic, (count) => count / now.features),
    of: ({ monosemantic, features }) => monosemantic / features,
    text: (value) => fixed(value, 2),
    least: [0, 0.1],
    most: Infinity,
    tick: plain,
  },
  {
    title: "mean bias",
    hint: "of the hidden layer’s neurons",
    log: ({ log }) => log.bias,
    of: ({ meanBias }) => meanBias,
    text: (value) => fixed(value, 2),
    least: [-0.1, 0],
    most: 1e6,
    tick: plain,
  },
];

export function Curves({ state, theme }: Props) {
  return (
    <section class="nw-curves" aria-label="Training">
      {KINDS.map((kind) => (
        <Curve key={kind.title} state={state} theme={theme} kind={kind} />
      ))}
      <Axis state={state} />
      <Scrubber state={state} />
    </section>
  );
}

function Curve({ state, theme, kind }: Props & { kind: Kind }) {
  const draw = useMemo(
    () => (pen: CanvasRenderingContext2D, size: Size) => {
      const chart: Chart = {
        lines: state.runs.value.map((run) => ({
          name: run.name,
          color: run.color,
          points: pointsOf(run, kind),
        })),
        least: kind.least,
        most: kind.most,
        tick: kind.tick,
        base: kind.base,
        step: state.shownStep.value,
        steps: state.steps.value,
      };
      drawChart(pen, size, chart, theme.value);
    },
    [kind],
  );
  const runs = state.runs.value;
  const values = state.shown.value.map(
    (still, r) => `${runs[r].name} ${kind.text(kind.of(still))}`,
  );
  return (
    <figure class="nw-curve">
      <figcaption title={kind.hint}>
        <h3>{kind.title}</h3>
        <span class="nw-values">
          {state.shown.value.map((still, r) => (
            <span key={r}>
              {runs.length > 1 && <Badge state={state} run={r} />} {kind.text(kind.of(still))}
            </span>
          ))}
        </span>
      </figcaption>
      <Canvas
        label={`${kind.title} over the steps of training: now ${values.join(", ")}`}
        draw={draw}
      />
    </figure>
  );
}

/** The log, and the model as it is now: the log has an entry only now and then. */
function pointsOf(run: Run, kind: Kind): Point[] {
  const values = kind.log(run);
  const placed = (value: number) => (kind.logarithmic ? Math.log10(value) : value);
  const points = Array.from(run.log.step, (step, i) => ({ step, value: placed(values[i]) }));
  const latest = kind.of(run.now);
  const last = points.at(-1)?.step ?? -1;
  if (latest !== null && run.now.step > last)
    points.push({ step: run.now.step, value: placed(latest) });
  return points;
}

function Axis({ state }: { state: State }) {
  const steps = state.steps.value;
  return (
    <div class="nw-steps" aria-hidden="true" style={{ margin: `-8px ${RIGHT}px 0 ${LEFT}px` }}>
      {stepTicks(steps).map((tick) => (
        <span key={tick} style={{ left: `${unitOfStep(tick, steps) * 100}%` }}>
          {tick < 10_000 ? grouped(tick) : short(tick / 1000).concat("k")}
        </span>
      ))}
    </div>
  );
}
