/** How far a capture is that the widget was opened on; empty where there is none. */
export interface Reading {
  state: "running" | "done" | "stopped" | "failed";
  samples: number;
  /** null where it is not known how many there are. */
  total: number | null;
  /** Samples and tokens per second. */
  rate: number;
  tokens_rate: number;
  /** Seconds. */
  left: number | null;
  text: string;
}

/** The share that was read, 0 to 1; null where that is not known. */
export function shareOf({ samples, total }: Reading): number | null {
  return total ? Math.min(1, samples / total) : null;
}

/** What is said aloud: that it begins and how it ends, and not every step. */
export function spoken({ state, text }: Reading): string {
  if (state === "running") return "reading samples";
  return state === "done" ? `${text} read` : text;
}
