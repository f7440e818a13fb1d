/**
 * The assignment problem, by shortest augmenting paths (Jonker & Volgenant 1987; as in SciPy's
 * `linear_sum_assignment`, Crouse 2016).
 */

/**
 * One column for each row, none twice, so that the sum of `score` is largest: the column of each
 * row. Where there are fewer columns than rows, -1 for the rows that go without.
 */
export function assigned(score: readonly Float64Array[], columns: number): Int32Array {
  const rows = score.length;
  if (rows > columns) {
    const turned = Array.from({ length: columns }, (_, c) =>
      Float64Array.from(score, (row) => row[c]),
    );
    const out = new Int32Array(rows).fill(-1);
    assigned(turned, rows).forEach((row, c) => {
      out[row] = c;
    });
    return out;
  }
  const rowOf = new Int32Array(columns).fill(-1);
  const columnOf = new Int32Array(rows).fill(-1);
  const ofRow = new Float64Array(rows);
  const ofColumn = new Float64Array(columns);
  for (let start = 0; start < rows; start++) {
    const shortest = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
    const before = new Int32Array(columns).fill(-1);
    const done = new Uint8Array(columns);
    const seen: number[] = [];
    let length = 0;
    let row = start;
    let end = -1;
    while (end < 0) {
      seen.push(row);
      let best = -1;
      for (let c = 0; c < columns; c++) {
        if (done[c]) continue;
        const path = length - score[row][c] - ofRow[row] - ofColumn[c];
        if (path < shortest[c]) {
          shortest[c] = path;
          before[c] = row;
        }
        // Of equally near columns a free one ends the search.
        const nearer = best < 0 || shortest[c] < shortest[best];
        if (nearer || (shortest[c] === shortest[best] && rowOf[c] < 0 && rowOf[best] >= 0)) {
          best = c;
        }
      }
      length = shortest[best];
      done[best] = 1;
      if (rowOf[best] < 0) end = best;
      else row = rowOf[best];
    }
    ofRow[start] += length;
    for (const other of seen) {
      if (other !== start) ofRow[other] += length - shortest[columnOf[other]];
    }
    for (let c = 0; c < columns; c++) if (done[c]) ofColumn[c] -= length - shortest[c];
    for (let c = end; c >= 0; ) {
      const on = before[c];
      const next = columnOf[on];
      rowOf[c] = on;
      columnOf[on] = c;
      c = on === start ? -1 : next;
    }
  }
  return columnOf;
}
