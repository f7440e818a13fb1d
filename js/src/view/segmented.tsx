/** One choice out of a few, side by side. */
import { useUniqueId } from "./unique-id";
import "./segmented.css";

export interface Segment<Value> {
  value: Value;
  text: string;
  title?: string | undefined;
}

interface Props<Value> {
  label: string;
  segments: readonly Segment<Value>[];
  chosen: Value;
  onChoose: (value: Value) => void;
  /** The choice is shown only once `chosen` has changed: the kernel may refuse it. */
  confirmed?: boolean;
  /** Something else is in effect. */
  inactive?: boolean;
}

export function Segmented<Value>(props: Props<Value>) {
  const { label, segments, chosen, onChoose, confirmed, inactive } = props;
  const group = useUniqueId();
  return (
    <div
      class={`nw-segments ${inactive ? "nw-inactive" : ""}`}
      role="radiogroup"
      aria-label={label}
    >
      {segments.map(({ value, text, title }) => (
        <label key={String(value)} title={title}>
          <input
            type="radio"
            name={group}
            class="nw-hidden"
            checked={value === chosen}
            onClick={(event) => {
              if (confirmed) event.preventDefault();
              onChoose(value);
            }}
          />
          <span>{text}</span>
        </label>
      ))}
    </div>
  );
}
