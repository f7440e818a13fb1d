/** Back through training: a slider over the steps of the stills; its last place is live. */
import { grouped } from "../../core/scale";
import { nearestStep, unitOfStep } from "../../core/steps";
import { Slider } from "../../view/slider";
import { LEFT, RIGHT } from "./chart";
import type { State } from "./state";
import "./scrubber.css";

/** Half of the slider's thumb: its track ends that much outside of the axis. */
const THUMB = 8;

export function Scrubber({ state }: { state: State }) {
  const { shownStep } = state;
  const steps = state.steps.value;
  const shownAt = unitOfStep(shownStep.value, steps);
  const stops = [...state.places.value, state.step.value];
  const live = state.checkpoint.value === null;
  const shownText = `step ${grouped(shownStep.value)}`;

  const go = (i: number) => {
    const stop = Math.min(stops.length - 1, Math.max(0, i));
    state.setCheckpoint(stop === stops.length - 1 ? null : stops[stop]);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = MOVES[event.key];
    if (by === undefined) return;
    event.preventDefault();
    state.touchCheckpoints();
    go((live ? stops.length - 1 : nearestStep(stops, shownAt, steps)) + by);
  };
  return (
    <div class="nw-scrub">
      <div class="nw-slider" style={{ margin: `0 ${RIGHT - THUMB}px 0 ${LEFT - THUMB}px` }}>
        <div class="nw-stops" aria-hidden="true">
          {stops.map((step) => (
            <i key={step} style={{ left: `${unitOfStep(step, steps) * 100}%` }} />
          ))}
        </div>
        <Slider
          value={shownAt}
          max={1}
          step="any"
          label="step that is shown"
          text={live ? `live, ${shownText}` : shownText}
          onPointerDown={() => state.touchCheckpoints()}
          onValue={(unit, slider) => {
            // The thumb stands on a still, wherever between two the pointer is.
            slider.value = String(shownAt);
            go(nearestStep(stops, unit, steps));
          }}
          onKeyDown={onKeyDown}
        />
      </div>
      <p class="nw-scrub-said">
        <span>{shownText}</span>
        <button
          type="button"
          class="nw-live"
          aria-pressed={state.orderHeld.value}
          title="What becomes of one neuron? Its row and its features keep their places."
          onClick={() => state.holdOrder(!state.orderHeld.value)}
        >
          hold order
        </button>
        <button
          type="button"
          class="nw-live"
          aria-pressed={live}
          title="What is training like now?"
          onClick={() => state.setCheckpoint(null)}
        >
          live
        </button>
      </p>
    </div>
  );
}

const MOVES: Record<string, number> = {
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  PageDown: -4,
  PageUp: 4,
  Home: -Infinity,
  End: Infinity,
};
