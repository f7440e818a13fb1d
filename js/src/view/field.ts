/** Fields that somebody types in. */
import { useRef } from "preact/hooks";

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
