/** How many concepts have more of a vector than the random directions beside them. */
export function aboveControl(shares: ArrayLike<number>, control: ArrayLike<number>): number {
  let above = 0;
  for (let k = 0; k < shares.length; k++) if (shares[k] > control[k]) above++;
  return above;
}
