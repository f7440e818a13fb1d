/** A canvas that is sharp at any size and redraws when a signal that it reads changes. */
import { effect, useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { useSize } from "./size";

/** Pixels that a hand may move between pressing and letting go, in a click. */
const STEADY = 5;

export interface Size {
  wide: number;
  tall: number;
}

interface Props {
  draw: (pen: CanvasRenderingContext2D, size: Size) => void;
  label: string;
  onPointerMove?: (event: PointerEvent) => void;
  onPointerLeave?: () => void;
  /** Not at the end of a drag, as of a handle that was missed. */
  onClick?: (event: MouseEvent) => void;
}

export function Canvas({ draw, label, onClick, ...handlers }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pressed = useRef<PointerEvent | null>(null);
  const size = useSignal<Size>({ wide: 0, tall: 0 });

  useSize(canvas, (node) => {
    const { clientHeight: tall } = node;
    // Chromium prints a canvas at a scale that it rounds down, to 63/64 for the least below 1.
    const wide = matchMedia("print").matches
      ? Math.floor(node.getBoundingClientRect().width)
      : node.clientWidth;
    if (wide !== size.value.wide || tall !== size.value.tall) size.value = { wide, tall };
  });

  const latest = useRef(draw);
  latest.current = draw;
  useEffect(
    () =>
      effect(() => {
        const { wide, tall } = size.value;
        const node = canvas.current;
        const pen = node?.getContext("2d");
        if (!node || !pen || !wide || !tall) return;
        const ratio = window.devicePixelRatio || 1;
        const [w, h] = [Math.round(wide * ratio), Math.round(tall * ratio)];
        if (node.width !== w || node.height !== h) [node.width, node.height] = [w, h];
        pen.setTransform(ratio, 0, 0, ratio, 0, 0);
        pen.clearRect(0, 0, wide, tall);
        latest.current(pen, { wide, tall });
      }),
    [],
  );
  return (
    <canvas
      ref={canvas}
      role="img"
      aria-label={label}
      {...handlers}
      onPointerDown={(event) => {
        pressed.current = event;
      }}
      onClick={(event) => {
        const from = pressed.current ?? event;
        const moved = Math.hypot(event.clientX - from.clientX, event.clientY - from.clientY);
        if (moved <= STEADY) onClick?.(event);
      }}
    />
  );
}
