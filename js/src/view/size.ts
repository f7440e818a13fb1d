/** Follows the size of an element. */
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

/**
 * Calls `measure` before the first paint and whenever the element's size changes.
 *
 * @param there what the element appears with, if it is not always there
 */
export function useSize<E extends Element>(
  place: RefObject<E | null>,
  measure: (element: E) => void,
  there: unknown = true,
): void {
  useLayoutEffect(() => {
    const element = place.current;
    if (!element) return;
    const watch = new ResizeObserver(() => measure(element));
    watch.observe(element);
    measure(element);
    // A page is laid out for paper without telling observers of sizes.
    const print = matchMedia("print");
    const again = () => measure(element);
    print.addEventListener("change", again);
    return () => {
      watch.disconnect();
      print.removeEventListener("change", again);
    };
  }, [there]);
}
