/** Samples inside the range on this neuron, and outside: masked and spared where it alone is. */

import { isolated } from "../../core/direction";
import { colorOf, standsFor } from "../../core/ranges";
import { grouped } from "../../core/scale";
import type { ExamplesMessage, RangesMessage } from "../../protocol/ranges";
import { RestingPreview } from "../../view/previews";
import { Segmented } from "../../view/segmented";
import type { State } from "./state";
import "./examples.css";

interface Props {
  state: State;
  data: RangesMessage;
}

export function Examples({ state, data }: Props) {
  const { inside, outside } = state.examples.value;
  const name = isolated(data.labels[state.label.value]);
  const samples = state.samples.value;
  // Where other neurons are masked as well, a sample outside is not spared.
  const alone = state.capabilities.value.measure && state.masked.value === 1;
  if (!samples?.faceRow.length) return null;
  return (
    <section class="nw-examples">
      <div class="nw-heading">
        <h3 title={`Which samples are inside the band of ${data.name}, and which outside?`}>
          Examples
        </h3>
        <Segmented
          label="whose examples"
          segments={[
            { value: true, text: `only ${name}`, title: `only ${name}` },
            { value: false, text: `all ${data.what}s` },
          ]}
          chosen={state.own.value}
          onChoose={(own) => {
            state.own.value = own;
          }}
        />
      </div>
      <div class="nw-example-sides">
        <div>
          <p class="nw-caption">
            <span>
              <i class="nw-key nw-key-in" />{" "}
              {alone ? "inside the band: masked" : "inside this neuron’s band"}
            </span>
            <Tally state={state} data={data} inside />
          </p>
          <Strip state={state} data={data} samples={samples} shown={inside} />
        </div>
        <div>
          <p class="nw-caption">
            <span>
              <i class="nw-key" /> {alone ? "outside: spared" : "outside this neuron’s band"}
            </span>
            <Tally state={state} data={data} inside={false} />
          </p>
          <Strip state={state} data={data} samples={samples} shown={outside} />
        </div>
      </div>
    </section>
  );
}

function Tally({ state, data, inside }: Props & { inside: boolean }) {
  const c = state.label.value;
  const own = state.own.value;
  const counts = state.counts.value;
  const [from, to] = own ? [c, c + 1] : [0, counts.length];
  let [hit, all] = [0, 0];
  for (let i = from; i < to; i++) {
    hit += standsFor(data, counts, i);
    all += data.count[i];
  }
  const about = data.start[to] - data.start[from] < all ? "about " : "";
  const shown = about + grouped(Math.round(inside ? hit : all - hit));
  return (
    <span class="nw-tally">
      {shown} of {grouped(all)}
    </span>
  );
}

function Strip({
  state,
  data,
  samples,
  shown,
}: Props & { samples: ExamplesMessage; shown: number[] }) {
  const text = samples.faces.kind === "text";
  const lit = new Set(state.selection.value);
  const chosen = state.label.value;
  // Of many classes only the chosen one's came along.
  const isSent = !state.own.value || samples.faceLabel.includes(chosen);
  return (
    <div
      class={text ? "nw-lines nw-picks" : "nw-tiles nw-picks"}
      // A preview that an edge takes away does not say that the pointer has left it.
      onPointerLeave={() => {
        state.hovered.value = null;
      }}
    >
      {shown.map((i) => {
        const preview = state.preview(i);
        const label = samples.faceLabel[i];
        return (
          <button
            type="button"
            key={i}
            class={label === chosen ? "nw-pick nw-mine" : "nw-pick"}
            aria-pressed={lit.has(preview.row)}
            // Of a text, its words; of a picture, its caption.
            aria-label={text ? undefined : preview.caption}
            onClick={() => state.toggleRow(preview.row)}
          >
            {text && (
              <span class="nw-tag" dir="auto" title={data.labels[label]}>
                {data.labels[label]}
              </span>
            )}
            <RestingPreview
              preview={preview}
              color={colorOf(data, label)}
              most={most(data)}
              lit={lit.has(preview.row)}
              onHover={(row) => {
                state.hovered.value = row;
              }}
            />
          </button>
        );
      })}
      {!shown.length && (
        <span class="nw-quiet nw-none">
          {isSent ? "none" : "not on this page: the kernel has them"}
        </span>
      )}
    </div>
  );
}

/** The strongest activation: what a token's shade is measured by. */
const most = ({ edges }: RangesMessage) => edges[edges.length - 1];
