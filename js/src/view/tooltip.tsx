/** A box that says what the pointer is on. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import "./tooltip.css";

interface Props {
  /** Where the pointer is in the box around; null where the stylesheet places it. */
  at: { x: number; y: number } | null;
  /** For texts, one below the other. */
  wide?: boolean;
  children: ComponentChildren;
}

export function Tooltip({ at, wide, children }: Props) {
  const self = useRef<HTMLDivElement>(null);
  // Inside of the box around, whatever the text's width.
  useLayoutEffect(() => {
    const tip = self.current;
    const around = tip?.parentElement;
    if (!at || !tip || !around) return;
    const room = around.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(at.x - tip.offsetWidth / 2, room))}px`;
    tip.classList.toggle("nw-below", at.y < tip.offsetHeight - 20);
  });
  return (
    <div
      ref={self}
      class={`nw-tip ${wide ? "nw-wide" : ""}`}
      role={at ? "tooltip" : undefined}
      aria-hidden={at ? undefined : true}
      style={at ? { top: `${at.y}px` } : undefined}
    >
      {children}
    </div>
  );
}
