/** A handle that is dragged: by the pointer that took it, until that one lets go. */

/** Take the handle; `move` is called with each place of the pointer. */
export function taken(event: PointerEvent, move: (now: PointerEvent) => void): void {
  const handle = event.currentTarget as HTMLElement;
  handle.setPointerCapture(event.pointerId);
  handle.focus();
  event.preventDefault();
  const end = new AbortController();
  const mine = (act: (now: PointerEvent) => void) => (now: PointerEvent) => {
    if (now.pointerId === event.pointerId) act(now);
  };
  const stop = mine(() => end.abort());
  handle.addEventListener("pointermove", mine(move), { signal: end.signal });
  handle.addEventListener("pointerup", stop, { signal: end.signal });
  handle.addEventListener("pointercancel", stop, { signal: end.signal });
}
