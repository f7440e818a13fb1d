/** What the view asks of the kernel. */
import { computed, signal } from "@preact/signals";
import type { Status } from "../protocol/schema";
import type { Model, Trait } from "./model";

const NO_KERNEL = "This needs the kernel, which no longer knows this widget: run its cell again.";
const NO_ANSWER =
  "No answer from the kernel yet: it is busy, or no longer knows this widget (then run its cell again).";
/** Milliseconds without an answer after which the kernel counts as busy or lost. */
const PATIENCE = 3000;

/** A live kernel acknowledges every request with `job.ack` at once; a lost one does not. */
export function requestsOf<Request>(model: Model, status: Trait<Status>, lifetime: AbortSignal) {
  // A signal of the view, not a trait: a kernel that does not answer cannot be told.
  const silence = signal<Status | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const fail = (text: string) => {
    silence.value = { state: "error", text, progress: 1 };
  };
  const heard = () => {
    clearTimeout(timer);
    silence.value = null;
  };
  model.on("msg:custom", heard);
  lifetime.addEventListener("abort", () => {
    clearTimeout(timer);
    model.off("msg:custom", heard);
  });
  return {
    /** Whether the kernel does not answer. */
    gone: computed(() => silence.value !== null),
    /** The kernel's status, or that it does not answer. */
    status: computed(() => silence.value ?? status.value),

    request(message: Request) {
      clearTimeout(timer);
      try {
        model.send(message);
      } catch (error) {
        fail(
          error instanceof Error && error.message.endsWith("kernel.") ? error.message : NO_KERNEL,
        );
        return;
      }
      timer = setTimeout(() => fail(NO_ANSWER), PATIENCE);
    },
  };
}
