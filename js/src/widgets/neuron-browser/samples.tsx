/** The top samples of a neuron in one line: pictures, or the words around their peaks. */
import { contextOf } from "../../core/text";
import { type Preview, RestingPreview } from "../../view/previews";
import type { State } from "./state";
import "./samples.css";

/** Characters before and after the peak. */
const AROUND = 9;

export function TopSamples({ state, index }: { state: State; index: number }) {
  const rows = state.topOf(index);
  const lit = state.litSamples.value;
  return (
    <div class={`nw-top-samples ${state.previews.kind() === "text" ? "nw-of-text" : ""}`}>
      {rows.map((row, rank) => {
        const preview = state.preview(row);
        return (
          // The button is for the pointer: with the keyboard, samples are searched by their numbers.
          <button
            key={rank}
            type="button"
            class="nw-top-sample"
            tabIndex={-1}
            // A text is its own name.
            aria-label={preview.text ? undefined : preview.caption}
            aria-pressed={state.samples.value.includes(row)}
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
  const { before, peak, after } = contextOf(text, 1, AROUND, peakless(text) ? 28 : AROUND);
  const joined = (pieces: { text: string }[]) => pieces.map((piece) => piece.text).join("");
  return (
    <bdi class={`nw-top-words ${lit ? "nw-lit-words" : ""}`}>
      <span class="nw-before-peak">
        <span>{joined(before)}</span>
      </span>
      {peak && <b>{peak.text}</b>}
      <span class="nw-after-peak">{joined(after)}</span>
    </bdi>
  );
}

const peakless = ({ peak }: { peak: number }): boolean => peak < 0;
