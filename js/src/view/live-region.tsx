/** Tells screen readers what has changed on the screen. */
import { useSignal, useSignalEffect } from "@preact/signals";

/** Milliseconds without a change after which a text is read out. */
const REST = 600;

/** Reads `text()` out when it rests; stays silent where that is `null`. */
export function LiveRegion({ text }: { text: () => string | null }) {
  const spoken = useSignal("");
  useSignalEffect(() => {
    const latest = text();
    if (latest === null) return;
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
