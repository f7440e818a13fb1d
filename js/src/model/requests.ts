/** What the view asks of the kernel, and whether the kernel answers. */
import { computed, signal } from "@preact/signals";
import type { Status } from "../protocol/schema";
import type { Model, Trait } from "./model";
import { viewsOf } from "./presence";

const NO_KERNEL = "No kernel knows this widget: run its cell again to go on.";
const NO_ANSWER =
  "No answer from the kernel: it is busy, or no longer knows this widget (then run its cell again).";
/** Milliseconds without an answer after which the kernel counts as busy or lost. */
const PATIENCE = 3000;

/** The kernel's status, or that it is silent, which no kernel can say. */
export type Shown = Status | { state: "silent"; text: string; progress: number };

/** A live kernel acknowledges every message with `job.ack` at once; a lost one does not. */
export function requestsOf<Request>(model: Model, status: Trait<Status>, lifetime: AbortSignal) {
  // A signal of the view, not a trait: a kernel that does not answer cannot be told.
  const silence = signal<Shown | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asked = 0;
  const heard = () => {
    clearTimeout(timer);
    silence.value = null;
  };
  /** Send it; `missed` is how the view says that no answer came. */
  const send = (content: unknown, missed: "silent" | "error") => {
    clearTimeout(timer);
    asked = performance.now();
    const miss = (text: string) => {
      silence.value = { state: missed, text, progress: 1 };
    };
    try {
      model.send(content);
    } catch (error) {
      miss(error instanceof Error && error.message.endsWith("kernel.") ? error.message : NO_KERNEL);
      return;
    }
    timer = setTimeout(miss, PATIENCE, NO_ANSWER);
  };
  /** Find out without being asked: a control that does nothing is switched off first. */
  const probe = () => {
    const message = viewsOf(model);
    if (message) send(message, "silent");
  };
  // Only the kernel sets these; `comm_live_update` is ipywidgets' word for a kernel come or gone.
  const signs = ["msg:custom", "change:status", "change:reading"];
  for (const sign of signs) model.on(sign, heard);
  model.on("comm_live_update", probe);
  // JupyterLab says nothing when a kernel is shut down: find out when somebody is at the page, once
  // in a while, and after what they did last.
  let due: ReturnType<typeof setTimeout> | undefined;
  const touched = () => {
    if (silence.value !== null) return;
    const find = () => {
      if (silence.value === null) probe();
    };
    clearTimeout(due);
    const rest = asked + PATIENCE - performance.now();
    if (rest <= 0) find();
    else due = setTimeout(find, rest);
  };
  window.addEventListener("pointerdown", touched, { capture: true, signal: lifetime });
  lifetime.addEventListener("abort", () => {
    clearTimeout(timer);
    clearTimeout(due);
    for (const sign of signs) model.off(sign, heard);
    model.off("comm_live_update", probe);
  });
  probe();
  return {
    /** Whether the kernel does not answer. */
    gone: computed(() => silence.value !== null),
    /** The kernel's status, or that it does not answer. */
    status: computed<Shown>(() => silence.value ?? status.value),
    request(message: Request) {
      send(message, "error");
    },
  };
}
