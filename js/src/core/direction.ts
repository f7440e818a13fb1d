/** Which way a text runs, and names that keep theirs inside of our sentences. */

/** The blocks of scripts that are written from right to left (Unicode's default bidi classes). */
const RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** As the first letter has it, which is what `dir="auto"` looks for too. */
export function directionOf(text: string): "rtl" | "ltr" {
  const first = /\p{L}/u.exec(text);
  return first && RIGHT.test(first[0]) ? "rtl" : "ltr";
}

/** Whether words of both directions stand in it: then its parts cannot be laid out one by one. */
export const mixed = (text: string): boolean =>
  RIGHT.test(text) && [...text].some((one) => /\p{L}/u.test(one) && !RIGHT.test(one));

/** A name as part of a sentence: numbers and commas around it stay where they are. */
export const isolated = (name: string): string => (RIGHT.test(name) ? `\u2068${name}\u2069` : name);
