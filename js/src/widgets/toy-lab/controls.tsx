/** One card per run: presets, the main knobs, and all others behind a fold. */
import { useEffect, useRef } from "preact/hooks";
import type { Config, Knob } from "../../protocol/toy";
import { useUniqueId } from "../../view/unique-id";
import { type Described, MAIN, PRESETS, REST, readNumber, written } from "./knobs";
import type { State } from "./state";

/** So long an answer may take until a field that was left says again what is true. */
const PATIENCE = 1500;

export function Controls({ state }: { state: State }) {
  return (
    <div class="nw-knobs">
      {state.configs.value.map((config, r) => (
        <Card key={r} state={state} config={config} run={r} />
      ))}
    </div>
  );
}

interface CardProps {
  state: State;
  config: Config;
  run: number;
}

function Card({ state, config, run }: CardProps) {
  const group = useUniqueId();
  const name = "AB"[run];
  const set = (knob: Knob, value: number | string) =>
    state.request({ type: "config.request", run, knobs: { [knob]: value } });
  const field = (knob: Described) => (
    <Field key={knob.name} state={state} config={config} knob={knob} onSet={set} />
  );
  return (
    <section class="nw-card-run" aria-label={`run ${name}`}>
      <div class="nw-presets">
        <Badge state={state} run={run} />
        <div class="nw-segments" role="radiogroup" aria-label={`preset of run ${name}`}>
          {PRESETS.map(([preset, title]) => (
            <label key={preset} title={title}>
              <input
                type="radio"
                name={group}
                class="nw-hidden"
                checked={config.preset === preset}
                onClick={(event) => {
                  // Checked is what the kernel has taken.
                  event.preventDefault();
                  state.request({ type: "preset.request", run, name: preset });
                }}
              />
              <span>{preset}</span>
            </label>
          ))}
        </div>
      </div>
      <div class="nw-fields">{MAIN.map(field)}</div>
      <details>
        <summary>all knobs</summary>
        {REST.map(([title, knobs]) => (
          <section key={title} class="nw-group" aria-label={title}>
            <b>{title}</b>
            <div class="nw-fields">{knobs.map(field)}</div>
          </section>
        ))}
      </details>
    </section>
  );
}

/** The run's letter in its colour. */
export function Badge({ state, run }: { state: State; run: number }) {
  const now = state.runs.value[run];
  return (
    <b class="nw-badge" style={{ background: now?.color ?? "var(--nw-quiet)" }}>
      {now?.name ?? "AB"[run]}
    </b>
  );
}

interface FieldProps {
  state: State;
  config: Config;
  knob: Described;
  onSet: (knob: Knob, value: number | string) => void;
}

function Field({ state, config, knob, onSet }: FieldProps) {
  const { name, label, title, choices } = knob;
  const field = useRef<HTMLInputElement & HTMLSelectElement>(null);
  const id = useUniqueId();
  const value = config[name];
  const truth = choices ? String(value) : written(name, Number(value));
  const latest = useRef(truth);
  latest.current = truth;
  const put = () => {
    const now = field.current;
    if (now && now !== document.activeElement) now.value = latest.current;
  };
  // What was refused does not stay in the field, nor what another knob has changed.
  const status = state.status.value;
  useEffect(() => {
    if (status.state === "error" && field.current) field.current.value = truth;
    else put();
  }, [config, status]);
  const commit = () => {
    const now = field.current as HTMLInputElement;
    const next = readNumber(now.value);
    if (Number.isNaN(next)) {
      state.complain(`${label}: “${now.value}” is no number that can be read.`);
      now.value = truth;
    } else if (written(name, next) !== truth) {
      const asked = now.value;
      onSet(name, next);
      // Refused once more, the status stays as it was.
      setTimeout(() => {
        if (field.current?.value === asked) field.current.value = latest.current;
      }, PATIENCE);
    }
  };
  const later = () => void setTimeout(put, PATIENCE);
  return (
    <div class={choices ? "nw-field nw-choice" : "nw-field"} title={title}>
      <label for={id}>{label}</label>
      {choices ? (
        <select
          id={id}
          ref={field}
          onBlur={later}
          onChange={(event) => onSet(name, event.currentTarget.value)}
        >
          {choices.map(([choice, text]) => (
            <option key={choice} value={choice}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input
          id={id}
          ref={field}
          type="text"
          inputMode="decimal"
          autocomplete="off"
          spellcheck={false}
          onBlur={later}
          onChange={commit}
          // JupyterLab keeps Enter from committing a field.
          onKeyDown={(event) => {
            if (event.key === "Enter") commit();
            else if (event.key === "Escape") event.currentTarget.value = truth;
            else return;
            event.preventDefault();
          }}
        />
      )}
    </div>
  );
}
