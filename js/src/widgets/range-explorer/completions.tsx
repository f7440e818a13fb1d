/** What the model writes: as it is, with the ranges masked, with the neurons masked. */
import { useEffect, useRef } from "preact/hooks";
import { isolated } from "../../core/direction";
import type { RangesMessage } from "../../protocol/ranges";
import { NeedsKernel } from "../../view/needs-kernel";
import type { State } from "./state";
import "./completions.css";

const COLUMNS = [
  ["base", "no mask"],
  ["range", "range mask"],
  ["neuron", "neuron mask"],
] as const;

/** Whether a text has ended without a word. */
const nothing = (text: string, writing: boolean) => !writing && !text.trim();

export function Completions({ state, data }: { state: State; data: RangesMessage }) {
  const field = useRef<HTMLInputElement>(null);
  // A prompt that Python sets shows in the field, unless somebody is typing there.
  useEffect(() => {
    const input = field.current;
    if (input && !input.matches(":focus") && state.prompt.value) input.value = state.prompt.value;
  }, [state.prompt.value]);
  const ask = () => {
    const prompt = field.current?.value ?? "";
    if (prompt.trim()) state.request({ type: "prompt.request", prompt });
  };
  const completions = state.completions.value;
  const masked = isolated(data.labels[completions ? completions.label : state.label.value] ?? "");
  const writing = completions !== null && !completions.done;
  return (
    <section class="nw-completions">
      <div class="nw-heading">
        <h3 title={`What does the model write with ${masked} masked?`}>
          Completions with {masked} masked
        </h3>
      </div>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          ask();
        }}
      >
        <NeedsKernel gone={state.gone.value}>
          <input
            ref={field}
            type="text"
            dir="auto"
            aria-label="prompt"
            placeholder="the beginning of a text"
            spellcheck={false}
            // JupyterLab keeps Enter from submitting a form.
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.isComposing) return;
              event.preventDefault();
              ask();
            }}
          />
          <button type="submit">complete</button>
        </NeedsKernel>
      </form>
      {completions && (
        <div class="nw-written" aria-live="off" aria-busy={writing}>
          {COLUMNS.map(([mask, said]) => (
            <div key={mask}>
              <h4>
                <i class={`nw-swatch nw-${mask}`} /> {said}
              </h4>
              <p dir="auto">
                <span class="nw-quiet">{completions.prompt}</span>
                {completions[mask]}
                {nothing(completions[mask], writing) && <i class="nw-quiet"> (writes nothing)</i>}
                {writing && <i class="nw-caret" />}
              </p>
            </div>
          ))}
        </div>
      )}
    </section>
  );
}
