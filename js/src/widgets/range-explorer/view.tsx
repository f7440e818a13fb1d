/** The whole widget: header, the ridges and their range, what the mask costs, who is in it. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { themeOf } from "../../model/theme";
import type { RangesMessage } from "../../protocol/ranges";
import { committed, useTyped } from "../../view/field";
import { StatusBar } from "../../view/status";
import { Completions } from "./completions";
import { Controls } from "./controls";
import { Cost } from "./cost";
import { Examples } from "./examples";
import { Find } from "./find";
import { Overlap } from "./overlap";
import { Ridges } from "./ridges";
import type { State } from "./state";

/** Of more classes than fit on the screen, one is found by its name. */
const MANY = 30;

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function RangeExplorer({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const data = state.data.value;
  // Without bars there is room beside the ridges.
  const narrow = !state.can.value.measure;
  const overlap = data && <Overlap state={state} data={data} theme={theme} />;
  const cancel = () => state.request({ type: "job.cancel" });
  return (
    <section
      class="nw-frame"
      aria-label="Range explorer"
      style={{ "--nw-accent": state.accent.value }}
    >
      {data && <Header state={state} data={data} />}
      <StatusBar status={state.status.value} onCancel={cancel} />
      {data ? (
        <>
          <div class="nw-halves">
            <div class="nw-half">
              <div class="nw-heading">
                <h3>Where does each {data.what} live on this neuron’s axis?</h3>
                <span class="nw-quiet nw-small">dashed: fitted normal curve</span>
                {data.labels.length > MANY && <Find state={state} data={data} />}
              </div>
              <Ridges state={state} data={data} theme={theme} />
              <Controls state={state} />
            </div>
            <div class="nw-half">
              <Cost state={state} data={data} />
              <Examples state={state} data={data} />
              {narrow && overlap}
            </div>
          </div>
          {!narrow && overlap}
          {state.can.value.complete && <Completions state={state} data={data} />}
        </>
      ) : (
        <p class="nw-empty">Nothing to show yet: run the cell that made this widget.</p>
      )}
    </section>
  );
}

function Header({ state, data }: { state: State; data: RangesMessage }) {
  const field = useRef<HTMLInputElement>(null);
  // What was refused or cancelled does not stay in the field: it says what is on the screen.
  useEffect(() => {
    const now = field.current;
    const busy = state.status.value.state === "running";
    if (now && !busy && now !== document.activeElement) now.value = String(state.neuron.value);
  });
  const typing = useTyped(state.neuron.value, (field) =>
    committed(field, state.neuron.value, (neuron) =>
      state.request({ type: "neuron.request", neuron }),
    ),
  );
  const samples = data.samples.toLocaleString("en");
  return (
    <header class="nw-header">
      <h2>Ranges of neuron</h2>
      <input
        ref={field}
        class="nw-neuron"
        type="number"
        min="0"
        step="1"
        aria-label={`neuron, 0 to ${data.neurons - 1}`}
        title={`0 to ${data.neurons - 1}`}
        {...typing}
        onBlur={(event) => {
          typing.onBlur();
          event.currentTarget.value = String(state.neuron.value);
        }}
      />
      <span class="nw-quiet">
        of layer <b class="nw-layer">{data.layer}</b>
      </span>
      <span class="nw-quiet nw-facts">
        {samples} samples · {data.labels.length.toLocaleString("en")} {data.what}
        {data.labels.length === 1 ? "" : "s"}
      </span>
    </header>
  );
}
