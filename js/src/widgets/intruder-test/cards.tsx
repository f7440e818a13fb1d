/** The five cards of a question, answered by a click or by the keys 1 to 5. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Question } from "../../protocol/intruder";
import type { Previews } from "../../protocol/previews";
import { type Preview, PreviewOf } from "../../view/previews";
import type { State } from "./state";
import "./cards.css";

const nothing = () => {};

export function Cards({ state }: { state: State }) {
  const { data, at, revealed, answers } = state;
  const question = state.questions.value[at.value];
  const next = useRef<HTMLButtonElement>(null);
  const group = useRef<HTMLFieldSetElement>(null);
  const mine = useRef(false);
  // The keys go on working: the focus follows whoever answers here.
  useLayoutEffect(() => {
    if (!mine.current) return;
    (revealed.value ? next.current : group.current)?.focus();
  }, [at.value, revealed.value]);
  if (!data.value || !question) return null;
  const chosen = revealed.value ? answers.value[at.value] - 1 : -1;
  const choose = (card: number) => {
    if (revealed.value || card >= question.rows.length) return;
    mine.current = true;
    state.answer(card);
  };
  const goOn = () => {
    mine.current = true;
    state.next();
  };
  return (
    <fieldset
      ref={group}
      class="nw-question"
      tabIndex={-1}
      aria-label={`question ${at.value + 1}: five cards`}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        if (!/^[1-5]$/.test(event.key)) return;
        event.preventDefault();
        choose(Number(event.key) - 1);
      }}
    >
      <p class="nw-ask">Four of these belong together. Which one does not?</p>
      <div class={`nw-five nw-of-${data.value.faces.kind}`}>
        {question.rows.map((row, card) => (
          <button
            key={`${at.value}-${card}`}
            type="button"
            class={classOf(question, card, chosen)}
            aria-disabled={revealed.value}
            aria-label={labelOf(question, card, chosen, textOf(data.value?.faces, row))}
            onClick={() => choose(card)}
          >
            <span class="nw-card-number">
              {card + 1}
              <span class="nw-card-word">{wordOf(question, card, chosen)}</span>
            </span>
            <PreviewOf
              preview={previewOf(data.value?.faces, row, card)}
              color="currentColor"
              most={1}
              lit={false}
              long
              onHover={nothing}
            />
          </button>
        ))}
      </div>
      <div class="nw-answered">
        {revealed.value ? (
          <button ref={next} type="button" class="nw-next" onClick={goOn}>
            {at.value + 1 < state.questions.value.length ? "next" : "result"} <kbd>Enter</kbd>
          </button>
        ) : (
          <span class="nw-quiet">
            click a card
            <span class="nw-by-key">
              , or press <kbd>1</kbd> to <kbd>5</kbd>
            </span>
          </span>
        )}
        <p aria-live="polite">
          {revealed.value ? verdict(question, chosen, data.value.meta.others) : ""}
        </p>
      </div>
    </fieldset>
  );
}

const textOf = (faces: Previews | undefined, row: number): string =>
  faces?.texts[faces.place.get(row) ?? -1]?.segments.join("") ?? "";

/** Without the sample's row or label, which may tell its kind. */
function previewOf(faces: Previews | undefined, row: number, card: number): Preview {
  const place = faces?.place.get(row) ?? -1;
  return {
    row,
    caption: `card ${card + 1}`,
    picture: faces?.atlas && place >= 0 ? { faces, at: place } : null,
    text: faces?.texts[place] ?? null,
  };
}

const wordOf = ({ odd }: Question, card: number, chosen: number): string =>
  chosen < 0 ? "" : card === odd ? "the odd one" : card === chosen ? "your choice" : "";

function classOf(question: Question, card: number, chosen: number): string {
  if (chosen < 0) return "nw-odd-card";
  const mark = card === question.odd ? "nw-is-odd" : card === chosen ? "nw-is-wrong" : "nw-is-rest";
  return `nw-odd-card ${mark}`;
}

function labelOf(question: Question, card: number, chosen: number, text: string): string {
  const word = wordOf(question, card, chosen);
  return [`card ${card + 1}`, word, text].filter(Boolean).join(": ");
}

function verdict({ odd, control }: Question, chosen: number, others: string): string {
  const right = chosen === odd;
  const card = `card ${odd + 1}`;
  if (control) {
    const luck = right ? "Luck found it." : "Only luck finds it.";
    return `A control: five samples at random, of which ${card} was drawn as the odd one. ${luck}`;
  }
  if (right) return "Right.";
  return `No: ${card} is ${others === "dataset" ? "no top sample" : "of another concept"}.`;
}
