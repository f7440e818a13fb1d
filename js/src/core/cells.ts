/** The cells of the layer's map on the screen. */
import type { LayerMap } from "../protocol/browser";

/** What part of the map is shown: cells are whole, so that no glyph is cut. */
export interface Grid {
  /** Pixels of a cell, and of the shown part. */
  cell: number;
  wide: number;
  tall: number;
  /** The first column and row in view, and how many there are. */
  column: number;
  row: number;
  columns: number;
  rows: number;
}

/** Pixels of a cell at most, where a layer has few neurons. */
const LARGEST = 60;
/** How much closer than the whole the map comes. */
export const ZOOMS = [1, 2, 4, 8] as const;

/** As much of the map as fits into `wide` x `tall` pixels, around a cell. */
export function gridOf(
  map: Pick<LayerMap, "columns" | "rows">,
  wide: number,
  tall: number,
  zoom: number,
  middle: { column: number; row: number },
): Grid {
  const whole = Math.min(wide / map.columns, tall / map.rows, LARGEST);
  const cell = Math.max(1, whole >= 3 ? Math.floor(whole) : whole) * zoom;
  const columns = Math.min(map.columns, Math.max(1, Math.floor(wide / cell)));
  const rows = Math.min(map.rows, Math.max(1, Math.floor(tall / cell)));
  const inside = (at: number, shown: number, all: number) =>
    Math.max(0, Math.min(all - shown, Math.round(at - shown / 2)));
  return {
    cell,
    wide: columns * cell,
    tall: rows * cell,
    columns,
    rows,
    column: inside(middle.column, columns, map.columns),
    row: inside(middle.row, rows, map.rows),
  };
}

/** The neuron of each cell, row by row, as an index into the table; -1: none. */
export function cellsOf(map: LayerMap): Int32Array {
  const cells = new Int32Array(map.columns * map.rows).fill(-1);
  map.columnOf.forEach((column, i) => {
    if (column >= 0) cells[map.rowOf[i] * map.columns + column] = i;
  });
  return cells;
}

/** The neuron under a place on the screen; -1: none. */
export function neuronAt(
  cells: Int32Array,
  map: LayerMap,
  grid: Grid,
  x: number,
  y: number,
): number {
  const column = Math.floor(x / grid.cell);
  const row = Math.floor(y / grid.cell);
  if (column < 0 || row < 0 || column >= grid.columns || row >= grid.rows) return -1;
  return cells[(row + grid.row) * map.columns + column + grid.column] ?? -1;
}

/** The middle of a neuron's cell on the screen; null where it is not in view. */
export function placeOf(map: LayerMap, grid: Grid, i: number): { x: number; y: number } | null {
  const column = map.columnOf[i] - grid.column;
  const row = map.rowOf[i] - grid.row;
  if (column < 0 || row < 0 || column >= grid.columns || row >= grid.rows) return null;
  return { x: (column + 0.5) * grid.cell, y: (row + 0.5) * grid.cell };
}

/** The next cell with a neuron from that of `i`, in a direction; `i` where there is none. */
export function nextCell(
  cells: Int32Array,
  map: LayerMap,
  i: number,
  dx: number,
  dy: number,
): number {
  let [column, row] = [map.columnOf[i] + dx, map.rowOf[i] + dy];
  while (column >= 0 && row >= 0 && column < map.columns && row < map.rows) {
    const next = cells[row * map.columns + column];
    if (next >= 0) return next;
    column += dx;
    row += dy;
  }
  return i;
}

/** The neurons in view whose cells' middles a closed line goes around (even-odd rule). */
export function inLasso(
  line: readonly (readonly [x: number, y: number])[],
  map: LayerMap,
  grid: Grid,
): number[] {
  const out: number[] = [];
  for (let i = 0; i < map.columnOf.length; i++) {
    const place = placeOf(map, grid, i);
    if (place && surrounds(line, place.x, place.y)) out.push(i);
  }
  return out;
}

function surrounds(line: readonly (readonly [number, number])[], x: number, y: number): boolean {
  let inside = false;
  for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
    const [[x1, y1], [x2, y2]] = [line[i], line[j]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}
