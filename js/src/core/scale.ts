/**
 * Heights on a square-root scale: one big merge dwarfs all others, and on a linear scale the
 * interesting cuts are squeezed into the last tenth.
 */

/** How far above the root the scale reaches. */
const HEADROOM = 1.02;

/** The share of the scale for the comb: the heights below which no cut has a concept. */
const COMB = 0.15;
/** The comb ends here at the latest, so that the branches above it keep room. */
const LATEST = 0.75;

const GROUPS = new Intl.NumberFormat("en");

/** A whole number with commas, for what is drawn many times: `toLocaleString` looks its locale up
 * at every call. */
export const grouped = (n: number): string => GROUPS.format(n);

/** "1 sample", "2,000 samples". */
export const counted = (n: number, noun: string): string =>
  `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;

/** Height -> 0 to 1. Heights below `comb` get at most `COMB` of the scale. */
export function toUnit(height: number, top: number, comb = 0): number {
  if (!(top > 0)) return height > 0 ? 1 : 0;
  const root = Math.min(1, Math.sqrt(Math.max(0, height) / (top * HEADROOM)));
  const bend = bendOf(top, comb);
  if (bend <= COMB) return root;
  return root < bend ? (root / bend) * COMB : COMB + ((root - bend) / (1 - bend)) * (1 - COMB);
}

/** 0 to 1 -> height. */
export function fromUnit(unit: number, top: number, comb = 0): number {
  const u = Math.min(1, Math.max(0, unit));
  const bend = bendOf(top, comb);
  const root =
    bend <= COMB ? u : u < COMB ? (u / COMB) * bend : bend + ((u - COMB) / (1 - COMB)) * (1 - bend);
  return root * root * top * HEADROOM;
}

/** Where the comb ends on the square-root scale. */
const bendOf = (top: number, comb: number): number =>
  top > 0 ? Math.min(LATEST, Math.sqrt(comb / (top * HEADROOM))) : 0;

/** The height half-way between two, as the eye sees it. */
export function between(low: number, high: number): number {
  return ((Math.sqrt(low) + Math.sqrt(high)) / 2) ** 2;
}

export const FINE = 1 / 200;
const COARSE = 1 / 20;

/** Where a key moves a position (0 to 1); null for keys that move nothing. */
export function keyed(unit: number, key: string, shift: boolean): number | null {
  const step = shift ? COARSE : FINE;
  switch (key) {
    case "ArrowRight":
    case "ArrowUp":
      return Math.min(1, unit + step);
    case "ArrowLeft":
    case "ArrowDown":
      return Math.max(0, unit - step);
    case "PageUp":
      return Math.min(1, unit + COARSE);
    case "PageDown":
      return Math.max(0, unit - COARSE);
    case "Home":
      return 0;
    case "End":
      return 1;
    default:
      return null;
  }
}

/** Letters that a number field has room for. */
const FIELD = 9;

/** A number as a field shows it, in a form that can be typed in again. */
export function typed(value: number): string {
  const number = Number(value.toPrecision(4));
  const text = String(number);
  return text.length > FIELD ? number.toExponential().replace("e+", "e") : text;
}

/** A number in two figures; counts stay whole. */
export function rounded(value: number): string {
  return short(Number.isInteger(value) ? value : Number(value.toPrecision(2)));
}

/** A number in at most four significant digits, as people write it, with true minus signs. Of very
 * large or small ones three; whole ones from 10,000 on have all. */
export function short(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const plain =
    size >= 1e9 || (size !== 0 && size < 0.001)
      ? value.toExponential(digits - 2).replace("e+", "e")
      : size >= 10000
        ? value.toLocaleString("en", { maximumFractionDigits: digits - 4 })
        : String(Number(value.toPrecision(digits)));
  return plain.replace("-", "−").replace("e-", "e−");
}

/** "low to high", with as many digits as tell them apart. */
export function fromTo(low: number, high: number): string {
  let digits = 4;
  while (digits < 9 && low !== high && short(low, digits) === short(high, digits)) digits++;
  return `${short(low, digits)} to ${short(high, digits)}`;
}

/** A share as a whole percentage that is 0% or 100% only where it is none or all. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.005) return "<1%";
  if (share < 1 && share >= 0.995) return ">99%";
  return `${Math.round(share * 100)}%`;
}

/** A share in tenths of a percent: "15.2%". */
export function tenths(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.0005) return "<0.1%";
  if (share > 100) return "over 10,000%";
  return `${(share * 100).toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })}%`;
}

/** A number in so many decimals, with a true minus sign. */
export function fixed(value: number | null, decimals: number): string {
  if (value === null || !Number.isFinite(value)) return "–";
  return value
    .toFixed(decimals)
    .replace(/^-(?=.*[1-9])/, "−")
    .replace(/^-/, "");
}

/** 1st, 2nd, 3rd, 4th, 11th. */
export function ordinal(n: number): string {
  const tens = n % 100;
  const end = tens > 10 && tens < 14 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${grouped(n)}${end}`;
}
