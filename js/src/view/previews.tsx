/** Samples as a person sees them: a picture, or a text with its peak token marked. */

import { Fragment } from "preact";
import { directionOf, isolated } from "../core/direction";
import { grouped, short } from "../core/scale";
import { apart, type Piece, snippet } from "../core/text";
import type { Previews, Text } from "../protocol/previews";
import { memo } from "./memo";
import "./previews.css";

export interface Preview {
  row: number;
  caption: string;
  /** The activation that stands beside it; null or absent where none is known. */
  activation?: number | null;
  picture: { faces: Previews; at: number } | null;
  text: Text | null;
}

interface Props {
  preview: Preview;
  color: string;
  most: number;
  lit: boolean;
  mark?: string | undefined;
  long?: boolean;
  onHover: (row: number | null) => void;
}

function Picture({ preview, lit, mark, onHover }: Props) {
  const { faces, at } = preview.picture as NonNullable<Preview["picture"]>;
  const { url, columns, rows, side, ink, print } = faces.atlas as NonNullable<Previews["atlas"]>;
  const place = (i: number, count: number) => (count > 1 ? (i / (count - 1)) * 100 : 0);
  return (
    <span
      role="img"
      class={`nw-tile ${lit ? "nw-lit" : ""} ${mark ?? ""}`}
      aria-label={preview.caption}
      title={preview.caption}
      onPointerEnter={() => onHover(preview.row)}
      onPointerLeave={() => onHover(null)}
    >
      <i
        class={ink ? "nw-ink" : print ? "nw-print" : undefined}
        style={{
          backgroundImage: `url("${url}")`,
          backgroundSize: `${columns * 100}% ${rows * 100}%`,
          backgroundPosition: `${place(at % columns, columns)}% ${place(Math.floor(at / columns), rows)}%`,
          imageRendering: side < 40 ? "pixelated" : "auto",
        }}
      />
    </span>
  );
}

function Line({ preview, color, most, lit, mark, long, onHover }: Props) {
  const text = preview.text as Text;
  const pieces = snippet(text, long ? 360 : 150, most);
  return (
    <div
      // Of the whole text, wherever the part of it begins that is shown.
      dir={directionOf(text.segments.join(""))}
      class={`nw-text ${lit ? "nw-lit" : ""} ${mark ?? ""} ${long ? "nw-long" : ""}`}
      title={preview.caption}
      onPointerEnter={() => onHover(preview.row)}
      onPointerLeave={() => onHover(null)}
    >
      <Pieces pieces={pieces} color={color} />
    </div>
  );
}

/** Words shaded by their activation. */
export function Pieces({ pieces, color }: { pieces: Piece[]; color: string }) {
  return (
    <>
      {pieces.map((piece, i) => {
        // The space before a word, which stands elsewhere if the word runs the other way.
        const [space, word] = apart(piece.text);
        const strength = Math.round(piece.shade * (color === "currentColor" ? 28 : 45));
        return (
          <Fragment key={i}>
            {space}
            <span
              class={piece.peak ? "nw-peak" : undefined}
              style={
                piece.shade > 0.02
                  ? { background: `color-mix(in srgb, ${color} ${strength}%, transparent)` }
                  : undefined
              }
            >
              {word}
            </span>
          </Fragment>
        );
      })}
    </>
  );
}

function Plain({ preview, lit, mark, onHover }: Props) {
  return (
    <span
      class={`nw-plain ${lit ? "nw-lit" : ""} ${mark ?? ""}`}
      title={preview.caption}
      onPointerEnter={() => onHover(preview.row)}
      onPointerLeave={() => onHover(null)}
    >
      {grouped(preview.row)}
    </span>
  );
}

export function PreviewOf(props: Props) {
  if (props.preview.picture) return <Picture {...props} />;
  if (props.preview.text) return <Line {...props} />;
  return <Plain {...props} />;
}

/** Whether two previews look the same. */
export const alike = (a: Props, b: Props): boolean =>
  a.preview.row === b.preview.row &&
  a.lit === b.lit &&
  a.color === b.color &&
  a.most === b.most &&
  a.preview.caption === b.preview.caption &&
  a.preview.text === b.preview.text &&
  a.preview.picture?.at === b.preview.picture?.at &&
  a.preview.picture?.faces === b.preview.picture?.faces;

/** A preview that a drag does not draw again. */
export const RestingPreview = memo(PreviewOf, alike);

/** "Sandal, activation 12.6, sample 3,021". */
export function captionOf(label: string | null, activation: number | null, row: number): string {
  const parts = [
    label && isolated(label),
    activation === null ? null : `activation ${short(activation)}`,
  ];
  return [...parts, `sample ${grouped(row)}`].filter(Boolean).join(", ");
}
