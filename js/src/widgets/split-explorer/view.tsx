/** The whole widget: header, the tree and its threshold, the map, the cards. */
import { useEffect, useMemo, useRef } from "preact/hooks";
import { entropy } from "../../core/concepts";
import { short } from "../../core/scale";
import { themeOf } from "../../model/theme";
import type { TreeMessage } from "../../protocol/split";
import { committed, useTyped } from "../../view/field";
import { ReadingLine } from "../../view/reading";
import { StatusBar } from "../../view/status";
import { Cards } from "./cards";
import { SampleMap } from "./map";
import type { State } from "./state";
import { ThresholdTree } from "./tree";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function SplitExplorer({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const data = state.data.value;
  const reading = state.reading.value;
  const cancel = () => state.request({ type: "job.cancel" });
  return (
    <section class="nw-frame" aria-label="Split explorer">
      {data && <Header state={state} data={data} />}
      {reading && (
        <ReadingLine reading={reading} onStop={() => state.request({ type: "capture.cancel" })} />
      )}
      <StatusBar status={state.status.value} onCancel={cancel} />
      {data ? (
        <div class="nw-panes">
          <div class="nw-left">
            <ThresholdTree state={state} theme={theme} />
            <SampleMap state={state} theme={theme} />
          </div>
          <Cards state={state} data={data} />
        </div>
      ) : (
        <p class="nw-empty">Nothing to show yet: run the cell that made this widget.</p>
      )}
    </section>
  );
}

/** Methods whose metric can be chosen. */
const METRIC = new Set(["ward", "average", "complete", "single"]);
const TITLES: Record<string, string> = { ward: "Ward", kmeans: "k-means" };

function Header({ state, data }: { state: State; data: TreeMessage }) {
  const fields = useRef<HTMLElement>(null);
  // What was refused or cancelled does not stay in a field: it says what is on the screen.
  const { state: doing } = state.status.value;
  useEffect(() => {
    if (doing === "running" || !fields.current) return;
    const put = (name: string, value: string) => {
      const field = fields.current?.querySelector<HTMLInputElement | HTMLSelectElement>(name);
      if (field && field !== document.activeElement) field.value = value;
    };
    put(".nw-neuron", state.neuron.value === null ? "" : String(state.neuron.value));
    put(".nw-top", String(state.top.value));
    put("select", state.method.value);
  });
  const { neuron, top, method, metric } = state;
  // A notebook that was saved before there was a list of methods has none.
  const able = state.methods.value ?? [];
  const listed = able.includes(method.value) ? able : [...able, method.value];
  const ask = (change: { neuron?: number; top?: number; method?: string }) =>
    state.request({
      type: "split.request",
      neuron: neuron.value,
      top: top.value,
      method: method.value,
      // Another method has its own.
      ...(change.method || !METRIC.has(method.value) ? {} : { metric: metric.value }),
      ...change,
    });
  const neuronField = useTyped(neuron.value ?? "", (field) =>
    committed(field, neuron.value, (value) => ask({ neuron: value })),
  );
  const topField = useTyped(top.value, (field) =>
    committed(field, top.value, (value) => ask({ top: value })),
  );
  const last = data.activation.length - 1;
  const bits = data.label ? entropy(data.label, data.labels.length) : Number.NaN;
  return (
    <header class="nw-header" ref={fields}>
      <h2>Split neuron</h2>
      <label>
        <span class="nw-hidden">neuron</span>
        <input
          class="nw-neuron"
          type="number"
          min="0"
          step="1"
          aria-label={`neuron, 0 to ${data.neurons - 1}`}
          title={`0 to ${data.neurons - 1}`}
          placeholder="direction"
          {...neuronField}
        />
      </label>
      <span class="nw-quiet">
        of layer <b class="nw-layer">{data.layer}</b>
      </span>
      <label>
        <span class="nw-quiet">top</span>
        <input
          class="nw-top"
          type="number"
          min="2"
          step="1"
          aria-label={`how many top samples, 2 to ${data.samples}`}
          title={`2 to ${data.samples}`}
          {...topField}
        />
      </label>
      <select
        aria-label="method"
        value={method.value}
        onChange={(event) => ask({ method: event.currentTarget.value })}
      >
        {listed.map((name) => (
          <option value={name} key={name}>
            {TITLES[name] ?? name}
          </option>
        ))}
      </select>
      <span class="nw-quiet nw-facts">
        {data.range[0] === data.range[1]
          ? `always ${short(data.range[0])}: it never changes`
          : `activation ${short(data.activation[last])} to ${short(data.activation[0])}`}
        {Number.isNaN(bits) ? "" : ` · label entropy ${bits.toFixed(2)} bit`}
      </span>
    </header>
  );
}
