/** How wide the range is, by which rule, and in words what it holds. */
import type { Rule } from "../../protocol/ranges";
import { useTyped } from "../../view/field";
import { LiveRegion } from "../../view/live-region";
import { useUniqueId } from "../../view/unique-id";
import type { State } from "./state";

const RULES: [Rule, string, string][] = [
  ["gaussian", "mean ± τσ", "as far from the mean as τ standard deviations"],
  ["quantile", "quantiles", "as many samples on either side as a normal curve has at τ"],
  [
    "discriminative",
    "where it outweighs the others",
    "as many samples as a normal curve has within τ, over all neurons, where it most outweighs the others",
  ],
];

export function Controls({ state }: { state: State }) {
  const { tau, rule, custom } = state;
  const group = useUniqueId();
  const number = useTyped(tau.value.toFixed(2), (field) => {
    const text = field.value.trim();
    const value = Number(text.replace(",", "."));
    if (text && Number.isFinite(value)) state.setTau(value);
    field.value = tau.value.toFixed(2);
  });
  const loose = custom.value ? "nw-loose" : "";
  return (
    <div class="nw-controls">
      <div class={`nw-slider ${loose}`}>
        <span class="nw-quiet">width τ</span>
        <input
          type="range"
          min="0"
          max="4"
          step="0.01"
          value={tau.value}
          aria-label="width tau of the range"
          style={{ "--nw-at": `${tau.value * 25}%` }}
          onInput={(event) => state.setTau(Number(event.currentTarget.value))}
        />
        <input
          class="nw-number"
          type="text"
          inputMode="decimal"
          aria-label="tau as a number, 0 to 4"
          {...number}
        />
      </div>
      <div class="nw-rules">
        <div class={`nw-segments ${loose}`} role="radiogroup" aria-label="rule of the range">
          {RULES.map(([name, text, title]) => (
            <label key={name} title={title}>
              <input
                type="radio"
                name={group}
                class="nw-hidden"
                checked={rule.value === name}
                onClick={() => state.setRule(name)}
              />
              <span>{text}</span>
            </label>
          ))}
        </div>
        <button
          type="button"
          hidden={!custom.value}
          title="give up the edges you dragged"
          onClick={() => state.followRule()}
        >
          back to τ
        </button>
      </div>
      <p class="nw-said-line">{state.said.value}</p>
      <p class="nw-quiet">{state.salience.value}</p>
      <LiveRegion text={() => state.said.value} />
    </div>
  );
}
