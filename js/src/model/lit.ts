/** Which samples are lit: under the pointer here, else in another widget, else the selected ones. */
import { computed, effect, type ReadonlySignal } from "@preact/signals";
import { type Model, perFrame, save, type Trait } from "./model";

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

/**
 * Tell the kernel which samples are lit, where it is the kernel that knows how to show them: other
 * widgets of the page light them without it.
 */
export function tellLit(model: Model, trait: Trait<number[]>, lifetime: AbortSignal): void {
  const tell = perFrame<Model>(lifetime, save);
  let known = trait.value;
  lifetime.addEventListener(
    "abort",
    effect(() => {
      if (trait.value !== known) tell(model);
      known = trait.value;
    }),
  );
}
