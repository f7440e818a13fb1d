/** What hands hold: until they let go, a newer picture from the kernel waits. */
import { change, type Model } from "./model";

const ENDS = ["pointerup", "pointercancel"] as const;

interface Held {
  /** Whether the kernel's newer data are of what the hand holds. */
  same: () => boolean;
  /** Leave what was held where the hand left it, whatever came meanwhile. */
  keep: () => void;
  /** Show what waited. */
  update: () => void;
}

export function gripsOf(model: Model, lifetime: AbortSignal, { same, keep, update }: Held) {
  const held = new Set<number>();
  const waits = () => held.size > 0 && same();
  const hold = (event: PointerEvent) => {
    const grip = event.pointerId;
    held.add(grip);
    change(model, { _held: true });
    const release = (released: PointerEvent) => {
      if (released.pointerId !== grip) return;
      for (const name of ENDS) window.removeEventListener(name, release, true);
      const waited = waits();
      held.delete(grip);
      if (waited) keep();
      change(model, { _held: held.size > 0 });
      update();
    };
    for (const name of ENDS)
      window.addEventListener(name, release, { capture: true, signal: lifetime });
  };
  return { waits, hold };
}
