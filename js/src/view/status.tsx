/** What the kernel is doing, how to stop it, and its errors in words. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { Shown } from "../model/requests";
import type { JobCancel } from "../protocol/schema";
import "./status.css";

interface Busy {
  status: ReadonlySignal<Shown>;
  request: (message: JobCancel) => void;
}

export function StatusBar({ of }: { of: Busy }) {
  const dismissed = useSignal<Shown | null>(null);
  const status = of.status.value;
  const { state, text, progress } = status;
  const shown = state !== "idle" && dismissed.value !== status;
  return (
    <div
      class={`nw-status nw-${state}`}
      role={state === "error" ? "alert" : "status"}
      hidden={!shown}
    >
      {state === "running" && (
        <>
          <progress value={progress} max={1} aria-label={text} />
          <span>{text}</span>
          <button type="button" onClick={() => of.request({ type: "job.cancel" })}>
            cancel
          </button>
        </>
      )}
      {state === "silent" && <span>{text}</span>}
      {state === "error" && (
        <>
          <span>{text}</span>
          <button
            type="button"
            aria-label="dismiss"
            onClick={() => {
              dismissed.value = status;
            }}
          >
            <span aria-hidden="true">×</span>
          </button>
        </>
      )}
    </div>
  );
}
