/** One card per run: presets, the main knobs by what they are about, all others behind a fold. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Shown } from "../../model/requests";
import type { Knob, RunConfig } from "../../protocol/schema";
import { NeedsKernel } from "../../view/needs-kernel";
import { NumberField, PATIENCE } from "../../view/number-field";
import { Segmented } from "../../view/segmented";
import { useUniqueId } from "../../view/unique-id";
import { Badge } from "./badge";
import { type Described, GROUPS, PRESETS, readNumber, written } from "./knobs";
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
    <section class="nw-card-run" aria-label={`settings of run ${name}`}>
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
      <div class="nw-groups">
        {GROUPS.map(({ title, main }) => (
          <KnobGroup key={title} title={title} fields={main.map(field)} />
        ))}
      </div>
      <details>
        <summary>more settings</summary>
        <div class="nw-groups nw-more-groups">
          {GROUPS.filter(({ more }) => more.length > 0).map(({ title, more }) => (
            <KnobGroup key={title} title={title} fields={more.map(field)} />
          ))}
        </div>
      </details>
    </section>
  );
}

function KnobGroup({ title, fields }: { title: string; fields: ComponentChildren[] }) {
  return (
    <fieldset class="nw-group" style={{ "--nw-count": fields.length }}>
      <legend>{title}</legend>
      <div class="nw-fields">{fields}</div>
    </fieldset>
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
    <div class="nw-field">
      <label for={id} title={title}>
        {label}
      </label>
      {choices ? (
        <Choice
          id={id}
          title={title}
          value={value}
          choices={choices}
          status={status}
          onChoose={(choice) => onSet(name, choice)}
        />
      ) : (
        <NumberField
          id={id}
          title={title}
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
  title: string;
  value: string;
  choices: [value: string, text: string][];
  status: Shown;
  onChoose: (choice: string) => void;
}

/** What was refused does not stay, nor what another knob has changed. */
function Choice({ id, title, value, choices, status, onChoose }: ChoiceProps) {
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
      title={title}
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
