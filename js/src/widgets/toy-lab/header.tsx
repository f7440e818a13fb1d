/** Training: run, pause, step, start over; one run or two; how far it is, and how long it takes. */
import { grouped } from "../../core/scale";
import type { Run } from "../../protocol/toy";
import { Header } from "../../view/header";
import { codeOf } from "./code";
import type { State } from "./state";
import "./header.css";

const number = (n: number) => grouped(Math.round(n));

export function TrainingHeader({ state }: { state: State }) {
  const runs = state.runs.value;
  const running = state.running.value;
  const two = state.configs.value.length > 1;
  const over = runs.length > 0 && runs.every((run) => run.done);
  const next = nextStop(runs);
  const ask = (type: "train.step" | "train.double" | "train.reset") => () => {
    if (!over || type === "train.reset") state.request({ type });
  };
  return (
    <Header
      title="Toy lab"
      facts={<Facts state={state} />}
      code={() => codeOf(state)}
      gone={state.gone.value}
    >
      <fieldset class="nw-train" aria-label="training">
        <button
          type="button"
          class="nw-primary"
          onClick={() => state.request({ type: running ? "train.pause" : "train.run" })}
        >
          <Sign pause={running} />
          {running ? "pause" : over ? "run again" : "run"}
        </button>
        <button
          type="button"
          aria-disabled={over}
          title="Train each run by one step?"
          onClick={ask("train.step")}
        >
          step
        </button>
        <button
          type="button"
          aria-disabled={over}
          title="Train up to there, the next power of two, and pause?"
          onClick={ask("train.double")}
        >
          to step {number(next)}
        </button>
        <button type="button" title="Start again from step 0?" onClick={ask("train.reset")}>
          reset
        </button>
      </fieldset>
      <button
        type="button"
        role="switch"
        class="nw-toggle"
        aria-checked={two}
        onClick={() => state.request({ type: "compare.request", on: !two })}
      >
        <i /> compare two runs
      </button>
    </Header>
  );
}

function Sign({ pause }: { pause: boolean }) {
  return (
    <svg viewBox="0 0 10 10" aria-hidden="true">
      <path d={pause ? "M1 0h3v10H1zM6 0h3v10H6z" : "M1 0l9 5-9 5z"} />
    </svg>
  );
}

function Facts({ state }: { state: State }) {
  const runs = state.runs.value;
  const running = state.running.value;
  const sum = (of: (run: Run) => number) => runs.reduce((all, run) => all + of(run), 0);
  return (
    <>
      {running && (
        <progress
          class="nw-trained"
          aria-label="share of the training"
          value={sum(({ now }) => now.step)}
          max={Math.max(
            1,
            sum(({ steps }) => steps),
          )}
        />
      )}
      <span class="nw-progress">{progress(runs, running)}</span>
    </>
  );
}

/** Where *to step* leads: the power of two after the run that is furthest behind, or the end. */
export function nextStop(runs: readonly Pick<Run, "now" | "steps" | "done">[]): number {
  const end = Math.max(1, ...runs.map(({ steps }) => steps));
  const least = Math.min(...runs.filter(({ done }) => !done).map(({ now }) => now.step));
  if (!Number.isFinite(least)) return end;
  return Math.min(end, least < 1 ? 1 : 2 ** (Math.floor(Math.log2(least)) + 1));
}

/** "40 s left", "3 min left"; nothing where it is not known. */
export function timeLeft(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "";
  return seconds < 90
    ? `${number(Math.max(1, seconds))} s left`
    : seconds < 5400
      ? `${number(seconds / 60)} min left`
      : `${number(seconds / 3600)} h left`;
}

/** "step 1,024 of 2,560 · 3,400 steps/s · 4 s left". */
function progress(runs: Run[], running: boolean): string {
  if (!runs.length) return "";
  const of = ({ now, steps }: Run) => `${number(now.step)} of ${number(steps)}`;
  const same = runs.every((run) => of(run) === of(runs[0]));
  const far = same
    ? `step ${of(runs[0])}`
    : `step ${runs.map((run) => `${run.name} ${of(run)}`).join(", ")}`;
  const speed = Math.max(...runs.map((run) => run.speed));
  if (!running || speed <= 0) return far;
  return [far, `${number(speed)} steps/s`, timeLeft(runs[0].left)].filter(Boolean).join(" · ");
}
