/** Dragging a handle with the pointer that took it, until that pointer is released. */

/** Take the handle; call `move` at each movement of the pointer. */
export function taken(event: PointerEvent, move: (moved: PointerEvent) => void): void {
  const handle = event.currentTarget as HTMLElement;
  handle.setPointerCapture(event.pointerId);
  handle.focus();
  event.preventDefault();
  const end = new AbortController();
  const mine = (act: (moved: PointerEvent) => void) => (moved: PointerEvent) => {
    if (moved.pointerId === event.pointerId) act(moved);
  };
  const stop = mine(() => end.abort());
  handle.addEventListener("pointermove", mine(move), { signal: end.signal });
  handle.addEventListener("pointerup", stop, { signal: end.signal });
  handle.addEventListener("pointercancel", stop, { signal: end.signal });
}
