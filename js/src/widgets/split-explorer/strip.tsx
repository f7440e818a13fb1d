/** A row of samples on a card. */
import type { TreeMessage } from "../../protocol/split";
import { type Preview, RestingPreview } from "../../view/previews";
import type { State } from "./state";
import { TextLine } from "./text-line";

export const percent = (share: number) => `${Math.round(share * 100)}%`;

interface StripProps {
  /** The key of the concept whose own samples these are. */
  mine?: string;
  previews: Preview[];
  color: string;
  state: State;
  data: TreeMessage;
}

export function Strip({ previews, color, state, data, mine }: StripProps) {
  const rows = state.litRows.value;
  // The card under the pointer is lit as a whole; its own samples need no frames.
  const own = mine !== undefined && state.hover.value?.key === mine;
  const kind = previews.some(({ text }) => text) ? "nw-lines" : "nw-tiles";
  return (
    <div class={kind}>
      {previews.map((preview) => {
        const Sample = preview.text ? TextLine : RestingPreview;
        return (
          <Sample
            key={preview.row}
            preview={preview}
            color={color}
            most={data.range[1]}
            lit={!own && rows.has(preview.row)}
            onHover={state.hoverRow}
          />
        );
      })}
    </div>
  );
}
