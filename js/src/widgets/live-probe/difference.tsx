/** How the second box differs from the first: in total, and token by token. */
import { Fragment } from "preact";
import { short } from "../../core/scale";
import { apart } from "../../core/text";
import type { ReadingsMessage } from "../../protocol/probe";
import type { State } from "./state";
import "./difference.css";

/** The strongest shade, in percent of the colour. */
const STRONGEST = 62;

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
          {short(first.pooled)} → {short(second.pooled)}{" "}
          <b>
            {gain < 0 ? "" : "+"}
            {short(gain)}
          </b>
        </span>
      </div>
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
                    title={`${said} (${change < 0 ? "" : "+"}${short(change)})`}
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
