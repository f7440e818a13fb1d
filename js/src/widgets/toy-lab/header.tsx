/** Training: run, pause, step, start over; one run or two; how far it is. */
import type { Run } from "../../protocol/toy";
import { Header } from "../../view/header";
import type { State } from "./state";
import "./header.css";

const number = (n: number) => Math.round(n).toLocaleString("en");

export function TrainingHeader({ state }: { state: State }) {
  const runs = state.runs.value;
  const running = state.running.value;
  const two = state.configs.value.length > 1;
  const over = runs.length > 0 && runs.every((run) => run.done);
  const ask = (type: "train.step" | "train.double" | "train.reset") => () => {
    if (!over || type === "train.reset") state.request({ type });
  };
  return (
    <Header
      title="Toy lab"
      facts={<span class="nw-progress">{progress(runs, running)}</span>}
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
          title="Train to the next power of two, about twice as many steps?"
          onClick={ask("train.double")}
        >
          ×2 steps
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

/** "step 1,024 of 2,560 · 3,400 steps/s". */
function progress(runs: Run[], running: boolean): string {
  if (!runs.length) return "";
  const of = ({ now, steps }: Run) => `${number(now.step)} of ${number(steps)}`;
  const same = runs.every((run) => of(run) === of(runs[0]));
  const far = same
    ? `step ${of(runs[0])}`
    : `step ${runs.map((run) => `${run.name} ${of(run)}`).join(", ")}`;
  const speed = Math.max(...runs.map((run) => run.speed));
  return running && speed > 0 ? `${far} · ${number(speed)} steps/s` : far;
}
