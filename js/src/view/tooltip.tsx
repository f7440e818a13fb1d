/** A box that says what the pointer is on. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
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

/**
 * Whether Escape has taken the box away that the stylesheet shows, and what brings it back: the
 * pointer, or the focus, that comes to an element anew (WCAG 1.4.13).
 */
export function useDismissed() {
  const dismissed = useSignal(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") dismissed.value = true;
    };
    // Wherever the focus is: the pointer alone shows the box, too.
    window.addEventListener("keydown", onKey, true);
    return () => window.removeEventListener("keydown", onKey, true);
  }, []);
  const back = () => {
    dismissed.value = false;
  };
  return { dismissed: dismissed.value, shows: { onPointerEnter: back, onFocus: back } };
}
