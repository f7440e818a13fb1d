/** Keys that belong to the widget while it has the focus. */

const isPlain = ({ ctrlKey, altKey, metaKey }: KeyboardEvent) => !(ctrlKey || altKey || metaKey);

/**
 * The notebook's single-key commands (a cell inserted on "a", the next one on an arrow) rest while
 * something in `root` has the focus; its commands with Ctrl, Alt or Meta go on working.
 *
 * marimo shows widgets in shadow roots, and acts on keys that leave them.
 *
 * Lumino asks the focused element itself, at the document, before any listener of ours: so the mark
 * is set at the window, which comes first.
 */
export function keepKeys(root: HTMLElement, lifetime: AbortSignal): void {
  root.addEventListener("keydown", (event) => {
    if (isPlain(event) && root.getRootNode() instanceof ShadowRoot) event.stopPropagation();
  });
  window.addEventListener(
    "keydown",
    (event) => {
      const { target } = event;
      if (!(target instanceof Element) || !root.contains(target)) return;
      target.toggleAttribute("data-lm-suppress-shortcuts", isPlain(event));
    },
    { capture: true, signal: lifetime },
  );
}
