/** One change of a box in flight: the next is sent when the kernel has read it, and the latest wins. */

interface Flight<T> {
  /** Set the trait. */
  send: (value: T) => void;
  /** Ask the kernel for what has not come. */
  ask: () => void;
}

/** Milliseconds without a reading after which the kernel is asked. */
const PATIENCE = 1000;

export function flightOf<T>(lifetime: AbortSignal, { send, ask }: Flight<T>) {
  let waiting: { value: T } | null = null;
  let flying = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  lifetime.addEventListener("abort", () => clearTimeout(timer));
  const start = (value: T) => {
    flying = true;
    send(value);
    clearTimeout(timer);
    timer = setTimeout(() => {
      const next = waiting;
      waiting = null;
      flying = false;
      if (next) send(next.value);
      ask();
    }, PATIENCE);
  };
  return {
    change(value: T) {
      if (flying) waiting = { value };
      else start(value);
    },
    /** The kernel has answered, with a reading or an error. */
    landed() {
      if (!flying) return;
      flying = false;
      clearTimeout(timer);
      const next = waiting;
      waiting = null;
      if (next) start(next.value);
    },
  };
}
