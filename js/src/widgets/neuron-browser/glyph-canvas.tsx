/** The glyphs of the map, painted again whenever the cut, the light or the part in view changes. */
import { effect, type Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Grid } from "../../core/cells";
import { pixelOf } from "../../core/palette";
import type { Theme } from "../../model/theme";
import { rgb } from "../../view/color";
import { glyphPainter } from "./paint";
import type { State } from "./state";

/** The alpha of neurons that are not lit. */
const DIM = 0.16;

interface Props {
  state: State;
  theme: Signal<Theme>;
  grid: { readonly value: Grid | null };
}

export function GlyphCanvas({ state, theme, grid }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const paint = glyphPainter();
    const pixel = (color: string): number => {
      const pen = canvas.current?.getContext("2d");
      if (!pen) return 0x888888;
      const [r, g, b] = rgb(pen, color);
      return (b << 16) | (g << 8) | r;
    };
    return effect(() => {
      const [map, cells, node] = [state.map.value, grid.value, canvas.current];
      const { faint } = theme.value;
      if (!map || !cells || !node || map.columnOf.length !== state.treeOf.value.length) return;
      const look = {
        tree: state.treeOf.value,
        forest: state.forest.value,
        step: state.step.value,
        byLabel: state.byLabel.value,
        colors: Uint32Array.from(state.colors.value, pixelOf),
        rest: pixel(faint),
        unsplit: pixel(faint),
        lit: state.lit.value,
        dim: DIM,
      };
      paint(node, map, cells, look, state.dragging.value);
    });
  }, []);
  return <canvas ref={canvas} />;
}
