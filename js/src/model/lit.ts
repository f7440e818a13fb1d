/** Which samples are lit: under the pointer here, else in another widget, else the selected ones. */
import { computed, effect, type ReadonlySignal } from "@preact/signals";
import { perFrame, type Trait } from "./model";

interface Here {
  /** The samples under the pointer; null: none are. */
  hovered: () => readonly number[] | null;
  selected: () => readonly number[];
}

/** The lit samples; `trait` passes those that are lit here on to other widgets. */
export function litOf(
  trait: Trait<number[]>,
  here: Here,
  lifetime: AbortSignal,
): ReadonlySignal<readonly number[]> {
  const own = computed(() => here.hovered() ?? here.selected());
  const pass = perFrame<readonly number[]>(lifetime, (rows) => trait.set([...rows]));
  // Not what was selected before: a view that opens changes nothing.
  let known = own.peek();
  lifetime.addEventListener(
    "abort",
    effect(() => {
      if (own.value !== known) pass(own.value);
      known = own.value;
    }),
  );
  return computed(() => {
    // A notebook that was saved before there was this trait has none.
    const elsewhere = trait.value ?? [];
    return here.hovered() ?? (elsewhere.length ? elsewhere : here.selected());
  });
}
