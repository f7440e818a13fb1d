/** A box to type in, and below it the text with the activation of each token. */
import { useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import { directionOf } from "../../core/direction";
import type { ReadingsMessage } from "../../protocol/probe";
import type { State } from "./state";
import { ChunkKey } from "./states";
import { Tokens } from "./tokens";
import { Total } from "./total";
import "./text-box.css";

interface Props {
  state: State;
  data: ReadingsMessage;
  box: number;
}

export function TextBox({ state, data, box }: Props) {
  const field = useRef<HTMLTextAreaElement>(null);
  // The field keeps what is typed; what Python or another view sets replaces it.
  useSignalEffect(() => {
    const text = state.typed[box].value;
    if (field.current && field.current.value !== text) field.current.value = text;
  });
  const slot = state.slots.value[box];
  const name = box === 0 ? "text" : "second text";
  return (
    <section class={state.isStale(box) ? "nw-inactive" : ""} aria-label={name}>
      <textarea
        ref={field}
        class="nw-typed"
        rows={3}
        dir={directionOf(state.typed[box].value)}
        aria-label={name}
        placeholder="Type a text."
        spellcheck={false}
        onInput={({ currentTarget }) => state.type(box, currentTarget.value)}
      />
      <Total slot={slot} />
      {slot && slot.values.length > 0 && <Tokens state={state} data={data} slot={slot} />}
      {slot?.chunk && <ChunkKey state={state} slot={slot} chunk={slot.chunk} />}
    </section>
  );
}
