/** A button that copies a text, and shows it where the page may not use the clipboard. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import "./copy-button.css";

interface Props {
  text: string;
  content: () => string;
  title?: string;
}

/** Milliseconds for which the button says that the text was copied. */
const SAID = 1500;

export function CopyButton({ text, content, title }: Props) {
  const done = useSignal(false);
  const shown = useSignal<string | null>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.select(), [shown.value]);
  useEffect(() => {
    if (!done.value) return;
    const timer = setTimeout(() => {
      done.value = false;
    }, SAID);
    return () => clearTimeout(timer);
  }, [done.value]);
  const copy = async () => {
    const copied = content();
    try {
      await navigator.clipboard.writeText(copied);
      done.value = true;
      shown.value = null;
    } catch {
      // An insecure page or a frame without permission: the user copies by hand.
      shown.value = copied;
    }
  };
  return (
    <span class="nw-copy">
      <button type="button" class="nw-plain-button" title={title} onClick={copy}>
        {done.value ? "copied" : text}
      </button>
      <span class="nw-hidden" aria-live="polite">
        {done.value ? `${text}: copied` : ""}
      </span>
      {shown.value !== null && (
        <span class="nw-copied">
          <textarea
            ref={field}
            readOnly
            rows={Math.min(8, shown.value.split("\n").length)}
            aria-label={`${text}: press Ctrl+C`}
            value={shown.value}
            onKeyDown={(event) => {
              if (event.key === "Escape") shown.value = null;
            }}
          />
          <button
            type="button"
            class="nw-plain-button"
            onClick={() => {
              shown.value = null;
            }}
          >
            close
          </button>
        </span>
      )}
    </span>
  );
}
