/** A field that chooses a class by its name, where there are too many to look through. */
import { useSignal } from "@preact/signals";
import { nextMatch } from "../../core/find";
import type { RangesMessage } from "../../protocol/ranges";
import type { State } from "./state";
import "./find.css";

export function Find({ state, data }: { state: State; data: RangesMessage }) {
  const missing = useSignal("");
  const find = (field: HTMLInputElement) => {
    const text = field.value.trim();
    const match = text ? nextMatch(data.labels, text, state.label.value) : null;
    missing.value = text && match === null ? text : "";
    if (match !== null) state.select(match);
  };
  return (
    <span class="nw-find">
      <span class="nw-quiet" role="status">
        {missing.value && `no ${data.what} has “${missing.value}”`}
      </span>
      <input
        type="search"
        placeholder={`find a ${data.what}`}
        aria-label={`find a ${data.what} by its name; Enter goes to the next`}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          find(event.currentTarget);
        }}
        onInput={() => {
          missing.value = "";
        }}
      />
    </span>
  );
}
