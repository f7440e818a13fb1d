/** A small histogram with two handles: which rows the table keeps. */
import { useMemo } from "preact/hooks";
import { spreadOf } from "../../core/ranking";
import { short } from "../../core/scale";
import type { Limits } from "../../protocol/schema";
import type { Column } from "./columns";
import "./range-filter.css";

const BINS = 20;
/** Positions of a handle. */
const STOPS = 200;

interface Props {
  column: Column;
  limits: Limits;
  onLimits: (limits: Limits) => void;
}

export function RangeFilter({ column, limits, onLimits }: Props) {
  const { values, title, whole } = column;
  const spread = useMemo(() => spreadOf(values, BINS), [values]);
  if (!spread || spread.low === spread.high) return null;
  const { low, high, bins } = spread;
  const unit = (value: number | null, open: number) =>
    value === null ? open : Math.max(0, Math.min(1, (value - low) / (high - low)));
  const [from, to] = [unit(limits[0], 0), unit(limits[1], 1)];
  const valueAt = (stop: number) => {
    const value = low + (stop / STOPS) * (high - low);
    return whole ? Math.round(value) : Number(value.toPrecision(4));
  };
  const most = Math.max(...bins);
  const bars = Array.from(bins, (count, i) => {
    const tall = count ? 2 + 16 * Math.sqrt(count / most) : 0;
    return `M${i * 5} 20V${20 - tall}h4V20z`;
  });
  // A bar is kept where its middle is.
  const kept = (i: number) => (i + 0.5) / BINS >= from && (i + 0.5) / BINS <= to;
  const said = (value: number | null) => (value === null ? "no limit" : short(value));
  return (
    <div class="nw-range-filter" title={`${title}: ${said(limits[0])} to ${said(limits[1])}`}>
      <svg viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">
        <path class="nw-bars-out" d={bars.filter((_, i) => !kept(i)).join("")} />
        <path class="nw-bars-in" d={bars.filter((_, i) => kept(i)).join("")} />
      </svg>
      <input
        type="range"
        min={0}
        max={STOPS}
        value={Math.round(from * STOPS)}
        aria-label={`${title}: least`}
        aria-valuetext={said(limits[0])}
        onInput={({ currentTarget: handle }) => {
          const stop = Math.min(Number(handle.value), Math.round(to * STOPS));
          handle.value = String(stop);
          onLimits([stop > 0 ? valueAt(stop) : null, limits[1]]);
        }}
      />
      <input
        type="range"
        min={0}
        max={STOPS}
        value={Math.round(to * STOPS)}
        aria-label={`${title}: largest`}
        aria-valuetext={said(limits[1])}
        onInput={({ currentTarget: handle }) => {
          const stop = Math.max(Number(handle.value), Math.round(from * STOPS));
          handle.value = String(stop);
          onLimits([limits[0], stop < STOPS ? valueAt(stop) : null]);
        }}
      />
    </div>
  );
}
