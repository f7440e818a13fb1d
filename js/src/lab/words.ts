/** Numbers in words, as the panel and the previews say them. */
const UNITS = ["bytes", "KB", "MB", "GB", "TB"];

/** `bytes` in decimal units, with at most three digits. */
export function sizeOf(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 999.5 && unit < UNITS.length - 1; unit++) value /= 1000;
  const digits = unit === 0 || value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${Number(value.toFixed(digits))} ${UNITS[unit]}`;
}

export const countOf = (count: number): string => count.toLocaleString("en-US");
