/** Keys that belong to the widget while it has the focus. */

/**
 * JupyterLab's single-key commands (a cell inserted on "a", the next one on an arrow) rest while
 * something in `root` has the focus; its commands with Ctrl, Alt or Meta go on working.
 *
 * Lumino asks the focused element itself, at the document, before any listener of ours: so the mark
 * is set at the window, which comes first.
 */
export function keepKeys(root: HTMLElement, lifetime: AbortSignal): void {
  window.addEventListener(
    "keydown",
    (event) => {
      const { target } = event;
      if (!(target instanceof Element) || !root.contains(target)) return;
      const plain = !(event.ctrlKey || event.altKey || event.metaKey);
      target.toggleAttribute("data-lm-suppress-shortcuts", plain);
    },
    { capture: true, signal: lifetime },
  );
}
