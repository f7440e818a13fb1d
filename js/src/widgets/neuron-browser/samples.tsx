/** The top samples of a neuron in one line: pictures, or the words around their peaks. */
import { contextOf } from "../../core/text";
import { type Preview, RestingPreview } from "../../view/previews";
import type { State } from "./state";
import "./samples.css";

/** Characters before and after the peak, and of a text without one. */
const [AROUND, BEGINNING] = [60, 28];

interface Props {
  state: State;
  index: number;
  /** The neuron at this index. */
  number: number;
}

export function TopSamples({ state, index, number }: Props) {
  const rows = state.topOf(index);
  const lit = state.litSamples.value;
  return (
    <div class={`nw-top-samples ${state.previews.kind() === "text" ? "nw-of-text" : ""}`}>
      {rows.map((row, rank) => {
        const preview = state.preview(row, number);
        return (
          // The button is for the pointer: with the keyboard, samples are searched by their numbers.
          <button
            key={rank}
            type="button"
            class="nw-top-sample"
            tabIndex={-1}
            // A text is its own name.
            aria-label={preview.text ? undefined : preview.caption}
            aria-pressed={state.selection.value.includes(row)}
            title={preview.caption}
            onClick={() => state.toggleSample(row)}
            onPointerEnter={() => {
              state.hoverSample.value = row;
            }}
            onPointerLeave={() => {
              state.hoverSample.value = null;
            }}
          >
            {preview.text ? (
              <Words preview={preview} lit={lit.includes(row)} />
            ) : (
              <RestingPreview
                preview={preview}
                color="currentColor"
                most={1}
                lit={lit.includes(row)}
                onHover={nothing}
              />
            )}
          </button>
        );
      })}
    </div>
  );
}

const nothing = () => {};

function Words({ preview, lit }: { preview: Preview; lit: boolean }) {
  const text = preview.text as NonNullable<Preview["text"]>;
  const { before, peak, after } = contextOf(text, 1, AROUND, text.peak < 0 ? BEGINNING : AROUND);
  // A line has no line breaks.
  const joined = (pieces: { text: string }[]) =>
    pieces.map((piece) => piece.text.replace(/\s+/g, " ")).join("");
  const looks = `${peak ? "nw-around-peak" : ""} ${lit ? "nw-lit-words" : ""}`;
  return (
    <bdi class={`nw-top-words ${looks}`}>
      <span class="nw-before-peak">
        <span>{joined(before)}</span>
      </span>
      {peak && <b>{joined([peak])}</b>}
      <span class="nw-after-peak">{joined(after)}</span>
    </bdi>
  );
}
