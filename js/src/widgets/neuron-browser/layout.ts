/** Which columns the table has, and how wide they are. */
import type { Column } from "./columns";
import type { State } from "./state";

export interface Layout {
  /** The column of the search; null without one. */
  match: Column | null;
  concepts: Column | null;
  scores: Column[];
  /** Whether concepts have names. */
  named: boolean;
  /** What the neurons promote; null where it is not known. */
  promotes: Column | null;
  /** Why it cannot be known: what the column says then; "" otherwise. */
  noPromotes: string;
  /** `grid-template-columns`, and the least width of a row in pixels. */
  template: string;
  wide: number;
  /** `grid-template-columns` on paper, which does not scroll: all of them share its width. */
  printed: string;
}

/** Pixels of the columns. The top samples' depends on what samples are. */
const FIXED = { marks: 54, number: 74, match: 88, concepts: 82, activations: 92 };
const SAMPLES = { image: 164, text: 250, none: 220 };
const [WORDS, NOTE] = [110, 72];
const PROMOTES = { token: 170, class: 190, none: 82 };

/** Pixels of a column of scores: enough for its heading and the mark of the order. */
const scoreWide = ({ title }: Column): number =>
  Math.max(94, Math.min(150, 28 + 7.2 * title.length));

export function layoutOf(state: State): Layout {
  const match = state.columnOf("match");
  const scores = state.scoreColumns.value;
  const named = state.named.value;
  const promotes = state.columnOf("promotes");
  const message = state.promoted.value;
  const noPromotes = message?.note ?? "";
  const outputs = PROMOTES[noPromotes ? "none" : (message?.kind ?? "token")];
  const samples = SAMPLES[state.previews.kind()];
  const widths = [
    FIXED.marks,
    FIXED.number,
    ...(match ? [FIXED.match] : []),
    FIXED.concepts,
    samples,
    FIXED.activations,
    ...scores.map(scoreWide),
  ];
  const least = [...widths, named ? WORDS : 0, promotes ? outputs : 0, NOTE].reduce(
    (a, b) => a + b,
    0,
  );
  const px = (width: number) => `${width}px`;
  const before = widths.slice(0, match ? 4 : 3).map(px);
  const after = widths.slice(match ? 5 : 4).map(px);
  const template = [
    ...before,
    `minmax(${samples}px, ${state.previews.kind() === "text" ? "3fr" : `${samples}px`})`,
    ...(named ? [`minmax(${WORDS}px, 2fr)`] : []),
    ...(promotes ? [noPromotes ? px(outputs) : `minmax(${outputs}px, 1fr)`] : []),
    ...after,
    `minmax(${NOTE}px, 1fr)`,
  ];
  return {
    match,
    concepts: state.columnOf("concepts"),
    scores,
    named,
    promotes,
    noPromotes,
    template: template.join(" "),
    wide: least,
    printed: template.map((column) => `minmax(0, ${/\d+/.exec(column)}fr)`).join(" "),
  };
}
