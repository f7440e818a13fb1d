/** One height for the cuts of all trees, and how many neurons have how many concepts there. */
import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { countCurve, stepOf } from "../../core/forest";
import { fromUnit, grouped, keyed, toUnit, typed } from "../../core/scale";
import type { Theme } from "../../model/theme";
import { Canvas, type Size } from "../../view/canvas";
import { decimal, NumberField } from "../../view/number-field";
import { Slider } from "../../view/slider";
import { paintCurve, SHADES } from "./paint";
import type { State } from "./state";
import "./cut.css";

/** Heights at which the curve is computed. */
const POINTS = 160;
const WORDS = ["none", "1", "2", "3 or more"];

export function CutSlider({ state, theme }: { state: State; theme: Signal<Theme> }) {
  const trees = state.trees.value;
  const curve = useMemo(() => {
    let cache: { of: unknown; lines: Int32Array[] } | null = null;
    return (): Int32Array[] => {
      const [forest, message] = [state.forest.value, state.trees.value];
      if (!forest || !message) return [];
      if (cache?.of !== forest) {
        const { scale } = message;
        const steps = Array.from({ length: POINTS }, (_, i) =>
          stepOf(fromUnit(i / (POINTS - 1), scale), scale),
        );
        cache = { of: forest, lines: countCurve(forest, steps) };
      }
      return cache.lines;
    };
  }, []);
  if (!trees?.neuron.length) return null;

  const { scale, suggested } = trees;
  const own = state.threshold.value < 0;
  const height = own ? suggested : state.threshold.value;
  const unit = toUnit(height, scale);
  const draw = (pen: CanvasRenderingContext2D, size: Size) => {
    const message = state.trees.value;
    if (!message) return;
    const threshold = state.threshold.value;
    const at = threshold < 0 ? null : toUnit(threshold, message.scale);
    paintCurve(pen, size, curve(), at, theme.value);
  };
  return (
    <div class="nw-cut">
      <div class="nw-heading">
        <h3
          title={`How dissimilar may samples of one concept be, in all neurons? In ${trees.unit}.`}
        >
          Cut height
        </h3>
        <span class="nw-cut-controls">
          <NumberField
            label={`Cut height, in ${trees.unit}`}
            value={own ? "" : typed(height)}
            placeholder="own"
            read={(text) => {
              const value = decimal(text);
              return value >= 0 ? value : Number.NaN;
            }}
            onNumber={(value) => state.setThreshold(value)}
          />
          <button
            type="button"
            aria-pressed={own}
            title="Cut each tree at its own height"
            onClick={() => state.setThreshold(-1)}
          >
            each tree’s own
          </button>
        </span>
      </div>
      <div class="nw-cut-curve">
        <Canvas
          label="How many neurons have 1, 2, and 3 or more concepts, against the height of the cut"
          draw={draw}
        />
      </div>
      <div class={`nw-slider ${own ? "nw-own-cuts" : ""}`}>
        <Slider
          value={unit}
          max={1}
          step="any"
          label="Cut height of all neurons"
          text={own ? "each tree’s own" : typed(height)}
          onValue={(value) => state.setThreshold(fromUnit(value, scale))}
          onPointerDown={(event) => state.hold(event)}
          onKeyDown={(event) => {
            const next = keyed(unit, event.key, event.shiftKey);
            if (next === null) return;
            event.preventDefault();
            state.setThreshold(fromUnit(next, scale));
          }}
        />
      </div>
      <div class="nw-caption">
        <span>finer</span>
        <Tally state={state} />
        <span>coarser</span>
      </div>
    </div>
  );
}

/** How many neurons have how many concepts now. */
function Tally({ state }: { state: State }) {
  const tally = [0, 0, 0, 0];
  for (const count of state.counts.value) if (count >= 0) tally[Math.min(3, count)]++;
  const all = tally[0] + tally[1] + tally[2] + tally[3];
  return (
    <span class="nw-concept-counts nw-small" title={`Of ${grouped(all)} neurons`}>
      <span class="nw-quiet">neurons with</span>
      {tally.map((count, k) => (
        <span key={WORDS[k]}>
          <i class="nw-concept-color" style={{ background: `rgb(68 119 170 / ${SHADES[k]})` }} />
          {WORDS[k]}: <b>{grouped(count)}</b>
        </span>
      ))}
    </span>
  );
}
