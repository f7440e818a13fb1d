/** Fields that somebody types in. */
import { useRef } from "preact/hooks";

type Typing = { currentTarget: HTMLInputElement };

/** Properties of a field that shows `value` and keeps what is being typed; `commit` gets the field. */
export function useTyped(value: string | number, commit: (field: HTMLInputElement) => void) {
  const draft = useRef<string | null>(null);
  const settle = ({ currentTarget: field }: Typing) => {
    // After Enter, the browser reports one more change when the field loses the focus.
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
