/** What the screen says, to those who hear it. */
import { useSignal, useSignalEffect } from "@preact/signals";

/** What has not changed for so long has said what it wanted to say. */
const REST = 600;

/** Speaks `text()` when it rests; stays silent where that is `null`. */
export function LiveRegion({ text }: { text: () => string | null }) {
  const aloud = useSignal("");
  useSignalEffect(() => {
    const now = text();
    if (now === null) return;
    const timer = setTimeout(() => {
      aloud.value = now;
    }, REST);
    return () => clearTimeout(timer);
  });
  return (
    <p class="nw-hidden" aria-live="polite">
      {aloud.value}
    </p>
  );
}
