/** CSS colours as numbers. */

/** Any CSS colour -> red, green, blue, 0 to 255. */
export function rgb(pen: CanvasRenderingContext2D, color: string): [number, number, number] {
  pen.fillStyle = "#888";
  pen.fillStyle = color;
  const hex = /^#([0-9a-f]{6})$/i.exec(String(pen.fillStyle))?.[1] ?? "888888";
  const all = Number.parseInt(hex, 16);
  return [all >> 16, (all >> 8) & 255, all & 255];
}

/** A colour mixed with the paper: of what is not to be relied on. */
export function paler(pen: CanvasRenderingContext2D, color: string, paper: string): string {
  const [ink, ground] = [rgb(pen, color), rgb(pen, paper)];
  return `rgb(${ink.map((v, i) => Math.round(0.45 * v + 0.55 * ground[i])).join(", ")})`;
}

/** Black or white, whichever is read better on a colour "#rrggbb". */
export function inkOn(color: string): string {
  const all = Number.parseInt(color.slice(1), 16);
  // Where black and white have the same contrast.
  return luminance([all >> 16, (all >> 8) & 255, all & 255]) > 0.179 ? "#000" : "#fff";
}

/** Relative luminance, 0 to 1, as WCAG has it. */
export function luminance(color: readonly number[]): number {
  const [r, g, b] = color.map((v) => (v <= 10 ? v / 3294 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** How much two colours differ in luminance, 1 to 21, as WCAG has it. */
export function contrast(a: readonly number[], b: readonly number[]): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

/** Black or white, whichever stands out on a colour: by 4.5 at least. */
export const readableOn = (color: readonly number[]): string =>
  contrast(color, [0, 0, 0]) >= contrast(color, [255, 255, 255]) ? "#000000" : "#ffffff";
