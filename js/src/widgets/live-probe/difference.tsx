/** How the second box differs from the first: in total, and token by token. */
import { Fragment } from "preact";
import { titlesOf } from "../../core/concepts";
import { mapDifference } from "../../core/map-difference";
import { short } from "../../core/scale";
import { apart, quoted } from "../../core/text";
import type { ReadingsMessage, Slot } from "../../protocol/probe";
import type { State } from "./state";
import "./difference.css";

/** The strongest shade, in percent of the colour. */
const STRONGEST = 62;

const signed = (change: number): string => `${change < 0 ? "" : "+"}${short(change)}`;

export function DifferencePart({ state, data }: { state: State; data: ReadingsMessage }) {
  const [first, second] = data.slots;
  if (first?.pooled == null || second?.pooled == null) return null;
  const gain = second.pooled - first.pooled;
  const merged = state.difference.value;
  return (
    <section class="nw-probe-part" aria-label="Difference">
      <div class="nw-heading">
        <h3 title="What does the second box have over the first?">Difference</h3>
        <span class="nw-gain">
          {short(first.pooled)} → {short(second.pooled)} <b>{signed(gain)}</b>
        </span>
      </div>
      {data.kind === "image" && (
        <DifferenceMap state={state} data={data} first={first} second={second} />
      )}
      {merged && first.values.length > 0 && second.values.length > 0 && (
        <>
          <p class="nw-merged" dir="auto">
            {merged.map(({ token, first: before, second: after }, i) => {
              const change = (after ?? 0) - (before ?? 0);
              const share = Math.min(1, Math.abs(change) / data.most);
              const color = change < 0 ? "var(--nw-lost)" : "var(--nw-gained)";
              const [space, word] = apart(token);
              const Kind = before === null ? "ins" : after === null ? "del" : "span";
              const said = `${before === null ? "new" : short(before)} → ${after === null ? "gone" : short(after)}`;
              return (
                <Fragment key={i}>
                  {space}
                  <Kind
                    title={`${said} (${signed(change)})`}
                    style={{
                      background: `color-mix(in srgb, ${color} ${Math.round(share * STRONGEST)}%, transparent)`,
                    }}
                  >
                    {word}
                  </Kind>
                </Fragment>
              );
            })}
          </p>
          <p class="nw-caption">
            <span>
              <i class="nw-gain-key nw-gain-more" /> more in the second{" "}
              <i class="nw-gain-key nw-gain-less" /> less · <ins>only in the second</ins> ·{" "}
              <del>only in the first</del>
            </span>
          </p>
        </>
      )}
    </section>
  );
}

interface MapProps {
  state: State;
  data: ReadingsMessage;
  first: Slot;
  second: Slot;
}

/** Where the second image has more of the neuron's activation, or of the lit concept, and where
 * less. */
function DifferenceMap({ state, data, first, second }: MapProps) {
  const lit = state.lit.value;
  const width = data.concepts.length;
  const of = ({ values, each }: Slot) =>
    lit < 0 ? values : Float32Array.from(values, (_, i) => each[i * width + lit]);
  const [before, after] = [of(first), of(second)];
  const found = mapDifference(before, after);
  if (!found) {
    if (!first.grid && !second.grid) return null;
    return <p class="nw-quiet">The maps of the two images have different sizes.</p>;
  }
  const { changes, most, at } = found;
  const what = lit < 0 ? "activation" : `share of ${quoted(titlesOf(data.concepts, {})[lit])}`;
  if (at < 0) return <p class="nw-quiet">The two maps are equal.</p>;
  const place = (i: number) =>
    `row ${Math.floor(i / first.grid) + 1}, column ${(i % first.grid) + 1}`;
  return (
    <div class="nw-difference-of">
      <div
        class="nw-difference-map"
        role="img"
        aria-label={`Where does the ${what} differ? Most at ${place(at)}: ${signed(changes[at])}`}
        style={{ gridTemplateColumns: `repeat(${first.grid}, 1fr)` }}
      >
        {Array.from(changes, (change, i) => (
          <i
            key={i}
            class={i === at ? "nw-map-peak" : undefined}
            title={`${place(i)}: ${short(before[i])} → ${short(after[i])} (${signed(change)})`}
            style={{
              background: `color-mix(in srgb, var(${change < 0 ? "--nw-lost" : "--nw-gained"}) ${Math.round((Math.abs(change) / most) * 100)}%, var(--nw-zero))`,
            }}
          />
        ))}
      </div>
      <div class="nw-difference-key">
        <span class="nw-quiet nw-small">Second less first: {what}</span>
        <i class="nw-difference-scale" aria-hidden="true" />
        <span class="nw-difference-ends nw-small">
          <span>{short(-most)}</span>
          <span>0</span>
          <span>+{short(most)}</span>
        </span>
        <span class="nw-quiet nw-small">
          The frame is around the largest change, {signed(changes[at])}.
        </span>
      </div>
    </div>
  );
}
