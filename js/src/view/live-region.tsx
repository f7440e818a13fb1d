/** Tells screen readers what has changed on the screen. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";

/** Milliseconds without a change after which a text is read out. */
const REST = 600;

/**
 * Reads `text()` out when it has changed and rests; stays silent where that is `null`. What a page
 * says as it opens is read like the rest of it.
 */
export function LiveRegion({ text }: { text: () => string | null }) {
  const spoken = useSignal("");
  const opening = useRef(true);
  useSignalEffect(() => {
    const latest = text();
    const silent = opening.current || latest === null;
    opening.current = false;
    if (silent) return;
    const timer = setTimeout(() => {
      spoken.value = latest;
    }, REST);
    return () => clearTimeout(timer);
  });
  return (
    <p class="nw-hidden" aria-live="polite">
      {spoken.value}
    </p>
  );
}
