/** The scale of the heights, left of the tree. */
import { useMemo } from "preact/hooks";
import { heightTicks } from "../../core/axis";
import { yOf } from "../../core/dendrogram";
import { short } from "../../core/scale";
import "./height-axis.css";

interface Props {
  /** The root's height, and that below which no cut has a concept. */
  top: number;
  comb: number;
  /** Where the axis stands, and how many pixels the tree is high. */
  x: number;
  tall: number;
}

export function HeightAxis({ top, comb, x, tall }: Props) {
  const heights = useMemo(() => heightTicks(comb, top), [comb, top]);
  return (
    <div class="nw-heights" aria-hidden="true" style={{ width: `${x}px`, height: `${tall}px` }}>
      {heights.map((height) => (
        <span key={height} style={{ top: `${yOf(height, top, tall, comb)}px` }}>
          {short(height)}
        </span>
      ))}
    </div>
  );
}
