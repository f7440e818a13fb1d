/** A row of samples on a card. */
import type { TreeMessage } from "../../protocol/split";
import { type Face, RestingFace } from "../../view/faces";
import type { State } from "./state";

export const percent = (share: number) => `${Math.round(share * 100)}%`;

interface StripProps {
  /** The key of the concept whose own samples these are. */
  mine?: string;
  faces: Face[];
  color: string;
  state: State;
  data: TreeMessage;
}

export function Strip({ faces, color, state, data, mine }: StripProps) {
  const rows = state.litRows.value;
  // The card under the pointer is lit as a whole; its own samples need no frames.
  const own = mine !== undefined && state.hover.value?.key === mine;
  const kind = faces.find((f) => f.text) ? "nw-lines" : "nw-tiles";
  return (
    <div class={kind}>
      {faces.map((face) => (
        <RestingFace
          key={face.row}
          face={face}
          color={color}
          most={data.range[1]}
          lit={!own && rows.has(face.row)}
          onHover={state.hoverRow}
        />
      ))}
    </div>
  );
}
