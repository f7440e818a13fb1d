/** A slider whose track is filled up to its thumb. */
import type { JSX } from "preact";
import "./slider.css";

interface Props {
  value: number;
  max: number;
  step: number | "any";
  label: string;
  /** The value in words. */
  text?: string;
  onValue: (value: number, slider: HTMLInputElement) => void;
  onPointerDown?: (event: PointerEvent) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
}

export function Slider({
  value,
  max,
  step,
  label,
  text,
  onValue,
  ...handlers
}: Props): JSX.Element {
  return (
    <input
      type="range"
      min="0"
      max={max}
      step={step}
      value={value}
      aria-label={label}
      aria-valuetext={text}
      style={{ "--nw-at": `${(value / max) * 100}%` }}
      onInput={({ currentTarget: slider }) => onValue(Number(slider.value), slider)}
      {...handlers}
    />
  );
}
