/** A share of right answers with its exact interval, beside chance. */
import { exactInterval } from "../../core/binomial";
import type { Share } from "./sheet";
import "./share-bar.css";

const percent = (share: number) => `${Math.round(100 * share)}%`;

/** "75% (35% to 97%), 6 of 8" */
export function inWords({ right, count }: Share): string {
  if (!count) return "no answers yet";
  const [low, high] = exactInterval(right, count);
  return `${percent(right / count)} (${percent(low)} to ${percent(high)}), ${right} of ${count}`;
}

interface Props {
  name: string;
  title: string;
  share: Share;
  chance: number;
}

export function ShareBar({ name, title, share, chance }: Props) {
  const { right, count } = share;
  const [low, high] = exactInterval(right, count);
  return (
    <div class="nw-right" title={title}>
      <span class="nw-right-name" dir="auto">
        {name}
      </span>
      <span
        class="nw-right-bar"
        role="img"
        aria-label={`${name}: ${inWords(share)}; chance ${percent(chance)}`}
      >
        {count > 0 && (
          <>
            <i
              class="nw-right-interval"
              style={{ left: percentOf(low), width: percentOf(high - low) }}
            />
            <i class="nw-right-dot" style={{ left: percentOf(right / count) }} />
          </>
        )}
        <i class="nw-right-chance" style={{ left: percentOf(chance) }} />
      </span>
      <span class="nw-right-words" aria-hidden="true">
        {inWords(share)}
      </span>
    </div>
  );
}

const percentOf = (share: number) => `${100 * share}%`;
