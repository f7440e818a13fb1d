/** A field for a number, which goes back to its value when what was typed is not accepted. */
import { useEffect, useRef } from "preact/hooks";
import type { Shown } from "../model/requests";
import { useTyped } from "./field";
import "./number-field.css";

/** Milliseconds to wait for an answer before the field goes back to its value. */
export const PATIENCE = 1500;

interface Props {
  /** CSS class of this field. */
  name?: string;
  id?: string;
  label?: string;
  title?: string;
  placeholder?: string;
  /** The number as text; "" where there is none. */
  value: string;
  /** Text -> number; NaN where it is no number. */
  read: (text: string) => number;
  /** Whether the field has arrows that step by 1, from `least` on. */
  least?: number;
  onNumber: (value: number) => void;
  onWrong?: (text: string) => void;
  /** Status of the kernel: after an error, the field drops the number that was refused. */
  status?: Shown;
  /** While the kernel works, the field keeps what was typed. */
  busy?: boolean;
}

export function NumberField(props: Props) {
  const { name, label, value, read, least, onNumber, onWrong, status, busy, ...attributes } = props;
  const input = useRef<HTMLInputElement>(null);
  const asked = useRef<string | null>(null);
  const latest = useRef({ value, busy });
  latest.current = { value, busy };

  const show = () => {
    const field = input.current;
    if (field && !latest.current.busy) field.value = latest.current.value;
  };
  const isFocused = () => input.current?.matches(":focus") ?? false;
  const keepsAsked = () => input.current?.value === asked.current;
  const typing = useTyped(value, (field) => {
    const number = read(field.value);
    if (Number.isNaN(number)) {
      onWrong?.(field.value);
      field.value = value;
      return;
    }
    asked.current = field.value;
    onNumber(number);
    // The same refusal twice does not change the status.
    setTimeout(() => keepsAsked() && show(), PATIENCE);
  });
  // Drop what was refused or cancelled, and what something else has changed.
  useEffect(() => {
    if (!isFocused()) show();
  });
  useEffect(() => {
    if (status?.state === "error" && keepsAsked()) show();
  }, [status]);

  const kind =
    least === undefined
      ? ({ type: "text", inputMode: "decimal" } as const)
      : ({ type: "number", min: least, step: 1 } as const);
  return (
    <input
      {...attributes}
      ref={input}
      class={`nw-number-field ${name ?? ""}`}
      {...kind}
      autocomplete="off"
      spellcheck={false}
      aria-label={label}
      {...typing}
      onBlur={() => {
        typing.onBlur();
        setTimeout(() => !isFocused() && show(), PATIENCE);
      }}
    />
  );
}

/** "3,5" and "3.5" -> 3.5; NaN where it is no finite number. */
export function decimal(text: string): number {
  const value = text.trim() ? Number(text.replace(",", ".")) : Number.NaN;
  return Number.isFinite(value) ? value : Number.NaN;
}

/** NaN where it is no whole number. */
export function whole(text: string): number {
  const value = decimal(text);
  return Number.isInteger(value) ? value : Number.NaN;
}
