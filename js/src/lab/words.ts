/** Sizes and times in words, as the panel and the previews say them. */
import type { TranslationBundle } from "@jupyterlab/translation";

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** `bytes` in decimal units, with at most three digits. */
export function sizeOf(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${UNITS[unit]}`;
}

/** How long `seconds` are, to one unit. */
export function durationOf(seconds: number, trans: TranslationBundle): string {
  if (seconds < 90) return trans.__("%1 s", Math.max(1, Math.round(seconds)));
  if (seconds < 5400) return trans.__("%1 min", Math.round(seconds / 60));
  return trans.__("%1 h", Math.round(seconds / 3600));
}

export const countOf = (count: number): string => count.toLocaleString("en-US");
