/** One card per run: presets, the main knobs, and all others behind a fold. */
import { useEffect, useRef } from "preact/hooks";
import type { Shown } from "../../model/requests";
import type { Knob, RunConfig } from "../../protocol/schema";
import { NeedsKernel } from "../../view/needs-kernel";
import { NumberField, PATIENCE } from "../../view/number-field";
import { Segmented } from "../../view/segmented";
import { useUniqueId } from "../../view/unique-id";
import { Badge } from "./badge";
import { type Described, MAIN, PRESETS, REST, readNumber, written } from "./knobs";
import type { State } from "./state";
import "./controls.css";

export function Controls({ state }: { state: State }) {
  return (
    <div class="nw-knobs">
      <NeedsKernel gone={state.gone.value}>
        {state.configs.value.map((config, r) => (
          <Card key={r} state={state} config={config} run={r} />
        ))}
      </NeedsKernel>
    </div>
  );
}

interface CardProps {
  state: State;
  config: RunConfig;
  run: number;
}

function Card({ state, config, run }: CardProps) {
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
        <Segmented
          label={`preset of run ${name}`}
          segments={PRESETS}
          chosen={config.preset}
          onChoose={(preset) => state.request({ type: "preset.request", run, name: preset })}
          confirmed
        />
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

interface FieldProps {
  state: State;
  config: RunConfig;
  knob: Described;
  onSet: (knob: Knob, value: number | string) => void;
}

function Field({ state, config, knob, onSet }: FieldProps) {
  const { name, label, title, choices } = knob;
  const id = useUniqueId();
  const value = choices ? String(config[name]) : written(name, Number(config[name]));
  const status = state.status.value;
  return (
    <div class={choices ? "nw-field nw-choice" : "nw-field"} title={title}>
      <label for={id}>{label}</label>
      {choices ? (
        <Choice
          id={id}
          value={value}
          choices={choices}
          status={status}
          onChoose={(choice) => onSet(name, choice)}
        />
      ) : (
        <NumberField
          id={id}
          value={value}
          read={readNumber}
          status={status}
          onNumber={(number) => {
            if (written(name, number) !== value) onSet(name, number);
          }}
          onWrong={(text) => state.complain(`${label}: “${text}” is not a number.`)}
        />
      )}
    </div>
  );
}

interface ChoiceProps {
  id: string;
  value: string;
  choices: [value: string, text: string][];
  status: Shown;
  onChoose: (choice: string) => void;
}

/** What was refused does not stay, nor what another knob has changed. */
function Choice({ id, value, choices, status, onChoose }: ChoiceProps) {
  const field = useRef<HTMLSelectElement>(null);
  const latest = useRef(value);
  latest.current = value;
  const show = () => {
    if (field.current) field.current.value = latest.current;
  };
  const isFocused = () => field.current?.matches(":focus") ?? false;
  useEffect(() => {
    if (status.state === "error" || !isFocused()) show();
  }, [value, status]);
  return (
    <select
      id={id}
      ref={field}
      onBlur={() => void setTimeout(() => !isFocused() && show(), PATIENCE)}
      onChange={(event) => onChoose(event.currentTarget.value)}
    >
      {choices.map(([choice, text]) => (
        <option key={choice} value={choice}>
          {text}
        </option>
      ))}
    </select>
  );
}
