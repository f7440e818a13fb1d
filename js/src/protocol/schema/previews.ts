/**
 * What the kernel and the views send each other: `previews`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

export type SampleKind = "image" | "text" | "none";

/** The layout of an atlas of images. */
export interface Tile {
  /** Pixels of a square tile. */
  side: number;
  /** Tiles in a row of the atlas. */
  columns: number;
  /** Rows of tiles. */
  rows: number;
  /** Small grey figures on black; a light page shows them inverted. */
  ink: boolean;
  /** Small grey figures on white; a dark page shows them inverted. */
  print?: boolean;
}

/** The metadata of previews: `tile` for images, the others for texts. */
export interface PreviewsMeta {
  /** What the samples are. */
  kind: SampleKind;
  /** The layout of `atlas`. */
  tile?: Tile;
  /** The segments of each text; joined, they are the text. */
  segments?: string[][];
  /** How many elements of `value` each text has; 0: not read. */
  values?: number[];
  /** The segment of each text's peak token; -1: none. */
  peaks?: number[];
  /** Whether each text is a part of a longer one. */
  cut?: boolean[];
}
