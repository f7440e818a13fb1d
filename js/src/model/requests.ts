/** What the view asks of the kernel. */
import { computed, signal } from "@preact/signals";
import type { Status } from "../protocol/schema";
import type { Model, Trait } from "./model";

const NO_KERNEL = "This needs the kernel, which no longer knows this widget: run its cell again.";
const NO_ANSWER =
  "No answer from the kernel yet: it is busy, or no longer knows this widget (then run its cell again).";
/** Milliseconds after which a request without an answer is no longer taken for on its way. */
const PATIENCE = 3000;

/** A kernel that lives acknowledges every request at once with `job.ack`; a lost one says nothing. */
export function requestsOf<Request>(model: Model, status: Trait<Status>, lifetime: AbortSignal) {
  // Ours alone: the kernel that does not answer is not to be told.
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
    /** What the kernel says of itself, or that it says nothing. */
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
