/** Which neuron is split, by which method, and what is known of it. */
import { useEffect, useRef } from "preact/hooks";
import { entropy } from "../../core/concepts";
import { fixed, fromTo, short } from "../../core/scale";
import type { TreeMessage } from "../../protocol/split";
import { Header, OfLayer } from "../../view/header";
import { NumberField, whole } from "../../view/number-field";
import { useUniqueId } from "../../view/unique-id";
import { codeOf } from "./code";
import { ABOUT, METRIC, TITLES } from "./methods";
import type { State } from "./state";

export function SplitHeader({ state, data }: { state: State; data: TreeMessage }) {
  const { neuron, top, method, metric } = state;
  const status = state.status.value;
  const busy = status.state === "running";
  const topId = useUniqueId();
  const methodField = useRef<HTMLSelectElement>(null);
  // Drop a method that was refused or cancelled: the field says what is on the screen.
  useEffect(() => {
    const field = methodField.current;
    if (field && !busy && !field.matches(":focus")) field.value = method.value;
  });
  // A notebook that was saved before there was a list of methods has none.
  const able = state.methods.value ?? [];
  const listed = able.includes(method.value) ? able : [...able, method.value];
  const ask = (change: { neuron?: number; top?: number; method?: string }) =>
    state.request({
      type: "split.request",
      neuron: neuron.value,
      top: top.value,
      method: method.value,
      // Another method has its own metrics.
      ...(change.method || !METRIC.has(method.value) ? {} : { metric: metric.value }),
      ...change,
    });
  return (
    <Header
      title="Split neuron"
      facts={facts(data)}
      code={() => codeOf(state)}
      gone={state.gone.value}
    >
      <NumberField
        name="nw-neuron"
        label={`neuron, 0 to ${data.neurons - 1}`}
        title={`Which neuron, 0 to ${data.neurons - 1}?`}
        placeholder="direction"
        value={neuron.value === null ? "" : String(neuron.value)}
        read={whole}
        least={0}
        status={status}
        busy={busy}
        onNumber={(value) => value !== neuron.value && ask({ neuron: value })}
      />
      <OfLayer layer={data.layer} />
      <label for={topId}>
        <span class="nw-quiet">top</span>
        <NumberField
          id={topId}
          name="nw-top"
          label={`top samples, 2 to ${data.samples}`}
          title={`How many top-activating samples, 2 to ${data.samples}?`}
          value={String(top.value)}
          read={whole}
          least={2}
          status={status}
          busy={busy}
          onNumber={(value) => value !== top.value && ask({ top: value })}
        />
      </label>
      <select
        ref={methodField}
        aria-label="method"
        title={`How are the samples clustered? ${ABOUT[method.value] ?? ""}`.trim()}
        value={method.value}
        onChange={(event) => ask({ method: event.currentTarget.value })}
      >
        {listed.map((name) => (
          <option value={name} key={name} title={ABOUT[name]}>
            {TITLES[name] ?? name}
          </option>
        ))}
      </select>
      <Agreement state={state} />
    </Header>
  );
}

/** How far the tree agrees with the default one. */
function Agreement({ state }: { state: State }) {
  const agreement = state.evidence.value?.agreement;
  if (!agreement) return null;
  const { index, chance, clusters, samples } = agreement;
  const [own, other] = clusters;
  return (
    <span
      class="nw-quiet"
      title={`Does the tree agree with the default one, Ward’s by cosine? Adjusted Rand index at both suggested cuts (${own} and ${other} clusters of ${samples} samples): 1 equal, 0 as chance; 97.5% of permutations: up to ${fixed(chance, 2)}.`}
    >
      Rand index to default {fixed(index, 2)}
      {index <= chance ? ", as chance" : ""}
    </span>
  );
}

function facts({ activation, label, labels, range }: TreeMessage): string {
  const [low, high] = range;
  const bits = label ? entropy(label, labels.length) : Number.NaN;
  const span =
    low === high
      ? `always ${short(low)}: it never changes`
      : `activation ${fromTo(activation[activation.length - 1], activation[0])}`;
  return Number.isNaN(bits) ? span : `${span} · label entropy ${bits.toFixed(2)} bit`;
}
