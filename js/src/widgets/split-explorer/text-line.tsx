/** A text on a line, its peak token in the middle; it opens to the whole text. */
import { useState } from "preact/hooks";
import { directionOf, mixed } from "../../core/direction";
import { lacking } from "../../core/lacking";
import { type Context, contextOf, type Piece } from "../../core/text";
import type { Text } from "../../protocol/previews";
import { memo } from "../../view/memo";
import { alike, Pieces, type Preview } from "../../view/previews";
import type { State } from "./state";
import "./text-line.css";

/** Enough characters for each half of a line. */
const HALF = 130;
/** Characters before the peak where it cannot be placed in the middle. */
const FEW = 16;

interface Props {
  state: State;
  preview: Preview;
  color: string;
  most: number;
  lit: boolean;
  onHover: (row: number | null) => void;
}

export const TextLine = memo<Props>(({ state, preview, color, most, lit, onHover }: Props) => {
  const [open, setOpen] = useState(false);
  const text = preview.text as Text;
  const whole = text.segments.join("");
  const centred = !open && text.peak >= 0 && !mixed(whole);
  const before = open ? Number.POSITIVE_INFINITY : centred ? HALF : FEW;
  const parts = contextOf(text, most, before, open ? Number.POSITIVE_INFINITY : HALF);
  const toggle = () => {
    if (!open && text.cut) state.readText(preview.row);
    setOpen(!open);
  };
  return (
    // A <button> would not let its text be selected.
    // biome-ignore lint/a11y/useSemanticElements: see above
    <div
      role="button"
      tabIndex={0}
      aria-expanded={open}
      dir={directionOf(whole)}
      class={`nw-text ${open ? "nw-open" : centred ? "nw-context" : ""} ${lit ? "nw-lit" : ""}`}
      title={preview.caption}
      onPointerEnter={() => onHover(preview.row)}
      onPointerLeave={() => onHover(null)}
      onFocus={() => onHover(preview.row)}
      onBlur={() => onHover(null)}
      onClick={() => {
        // A drag over the text selects some of it.
        if (getSelection()?.isCollapsed ?? true) toggle();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        // JupyterLab has its own meaning for keys outside of fields.
        event.stopPropagation();
        toggle();
      }}
    >
      {centred ? (
        <Centred {...parts} color={color} />
      ) : (
        <Pieces pieces={joined(parts, open)} color={color} />
      )}
      {open && text.cut && <Rest state={state} />}
    </div>
  );
}, alike);

/** That the text goes on. */
function Rest({ state }: { state: State }) {
  const lost = state.gone.value || state.status.value.state === "error";
  return (
    <span class="nw-rest-of-text">
      {lost
        ? `${lacking("The rest of the text", state.gone.value)}.`
        : "reading the rest of the text…"}
    </span>
  );
}

/** The three parts of a line, each in a box of its own. */
function Centred({ before, peak, after, color }: Context & { color: string }) {
  return (
    <>
      <div class="nw-before">
        <div>
          <Pieces pieces={before.map(flat)} color={color} />
        </div>
      </div>
      <div>
        <Pieces pieces={peak ? [flat(peak)] : []} color={color} />
      </div>
      <div class="nw-after">
        <Pieces pieces={after.map(flat)} color={color} />
      </div>
    </>
  );
}

/** A line has no line breaks. */
const flat = (piece: Piece): Piece => ({ ...piece, text: piece.text.replace(/\s+/g, " ") });

function joined({ before, peak, after, cut }: Context, open: boolean): Piece[] {
  const pieces = [...before, ...(peak ? [peak] : []), ...after];
  return cut && !open ? [{ text: "…", shade: 0, peak: false }, ...pieces] : pieces;
}
