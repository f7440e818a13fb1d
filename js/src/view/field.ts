/** Fields that somebody types in. */
import { useRef } from "preact/hooks";

/** Commit a number typed or stepped in a field; what is not a whole number is put back. */
export function committed(
  field: HTMLInputElement,
  old: number | null,
  commit: (value: number) => void,
) {
  const text = field.value.trim();
  const value = Number(text);
  if (text === "" || !Number.isInteger(value)) field.value = old === null ? "" : String(old);
  else if (value !== old) commit(value);
}

type Typing = { currentTarget: HTMLInputElement };

/** What makes a field show `value`, except while somebody types in it; `commit` gets the field. */
export function useTyped(value: string | number, commit: (field: HTMLInputElement) => void) {
  const draft = useRef<string | null>(null);
  const settle = ({ currentTarget: field }: Typing) => {
    // Committed with Enter, it changes once more when it loses the focus.
    if (draft.current === null) return;
    draft.current = null;
    commit(field);
  };
  return {
    value: draft.current ?? value,
    onInput: (event: Typing) => {
      draft.current = event.currentTarget.value;
    },
    onChange: settle,
    onBlur: () => {
      draft.current = null;
    },
    // JupyterLab keeps Enter from committing a field.
    onKeyDown: (event: KeyboardEvent & Typing) => {
      if (event.key === "Enter") settle(event);
      else if (event.key === "Escape") {
        draft.current = null;
        event.currentTarget.value = String(value);
      } else return;
      event.preventDefault();
    },
  };
}
