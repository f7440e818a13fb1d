/** The focus stays in the widget when what has it goes. */

const STOPS = "a[href], button, input, select, textarea, summary, [tabindex]";

const canFocus = (node: HTMLElement): boolean =>
  node.tabIndex >= 0 &&
  !node.matches(":disabled, input[type=radio]:not(:checked)") &&
  node.checkVisibility({ visibilityProperty: true });

const stopsIn = (node: Element): HTMLElement[] =>
  [...node.querySelectorAll<HTMLElement>(STOPS)].filter(canFocus);

/** The nearest stop of the Tab key after a place in `parent`, else before it; then further out. */
function nearestStop(parent: Element, before: Node | null, root: Element): HTMLElement | undefined {
  const stops = stopsIn(parent);
  const isAfter = (stop: HTMLElement) => {
    if (!before) return true;
    const place = before.compareDocumentPosition(stop);
    const inside = place & Node.DOCUMENT_POSITION_CONTAINED_BY;
    return !inside && (place & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
  };
  const found = stops.find(isAfter) ?? stops.at(-1);
  if (found || parent === root) return found;
  const above = parent.parentElement;
  return above ? nearestStop(above, parent, root) : undefined;
}

/** Where `node` was: the parent that is still there, and what stood before it. */
function placeOf(node: Node, records: MutationRecord[], root: Element): [Element, Node | null] {
  let gone = node;
  for (const { removedNodes, target, previousSibling } of records) {
    if (![...removedNodes].some((removed) => removed.contains(gone))) continue;
    if (root.contains(target))
      return [target as Element, previousSibling?.parentNode === target ? previousSibling : null];
    gone = target;
  }
  return [root, null];
}

/**
 * Move the focus to the nearest control where the one that has it is removed or hidden: a button
 * that has done its work, a message that was dismissed. The page would have it otherwise, and people
 * who use a keyboard or a screen reader would begin at its top.
 */
export function keepFocus(root: HTMLElement, lifetime: AbortSignal): void {
  let focused: HTMLElement | null = null;
  root.addEventListener("focusin", ({ target }) => {
    focused = target as HTMLElement;
  });
  // What goes loses the focus first: only the next task tells whether the user has left.
  root.addEventListener("focusout", ({ target }) => {
    setTimeout(() => {
      if (focused === target && !focused?.matches(":focus")) focused = null;
    });
  });
  const watch = new MutationObserver((records) => {
    const node = focused;
    if (!node) return;
    const removed = !root.contains(node);
    const hidden = records.some(
      ({ type, target }) => type === "attributes" && target.contains(node),
    );
    if (!removed && (!hidden || node.checkVisibility({ visibilityProperty: true }))) return;
    const { activeElement } = root.getRootNode() as Document | ShadowRoot;
    if (activeElement && activeElement !== node && activeElement !== document.body) return;
    const [parent, before] = removed ? placeOf(node, records, root) : [node.parentElement, node];
    nearestStop(parent ?? root, before, root)?.focus({ preventScroll: true });
  });
  watch.observe(root, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["hidden"],
  });
  lifetime.addEventListener("abort", () => watch.disconnect());
}
