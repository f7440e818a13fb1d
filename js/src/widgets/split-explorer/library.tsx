/** Keeps the concept of a card in the library. */
import type { Concept } from "../../core/concepts";
import { isKept } from "../../core/kept";
import type { TreeMessage } from "../../protocol/split";
import { LibraryContents } from "../../view/library-line";
import type { State } from "./state";
import "./library.css";

interface KeepProps {
  state: State;
  data: TreeMessage;
  concept: Concept;
  /** Its name on the screen, and its number among the cards. */
  title: string;
  index: number;
}

export function KeepButton({ state, data, concept, title, index }: KeepProps) {
  const { layer } = data;
  const { size } = concept;
  const shown = { layer, neuron: state.neuron.value, samples: size, name: title };
  if (isKept(state.library.value, shown)) {
    return (
      <span class="nw-quiet nw-keep" title="It is in the library, under this name.">
        kept
      </span>
    );
  }
  if (state.gone.value) return null;
  return (
    <button
      type="button"
      class="nw-plain-button nw-keep"
      title="Add the concept to the library, to find where else it fires"
      aria-label={`keep concept ${index + 1} in the library`}
      onClick={() => state.request({ type: "concept.keep", concept: index, size, name: title })}
    >
      keep
    </button>
  );
}

/** Below the cards: what was kept so far. */
export function KeptLine({ state }: { state: State }) {
  const kept = state.library.value;
  return (
    <li class="nw-kept">
      <LibraryContents kept={kept} variable="explorer" />
    </li>
  );
}
