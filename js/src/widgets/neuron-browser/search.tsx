/** The search: one field, and what its text means. */

import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { rowsOf, rowText } from "../../core/row-list";
import { counted, grouped } from "../../core/scale";
import type { Search, SearchKind } from "../../protocol/schema";
import { NeedsKernel } from "../../view/needs-kernel";
import { Segmented } from "../../view/segmented";
import type { State } from "./state";
import "./search.css";

interface Kind {
  value: SearchKind;
  text: string;
  title: string;
  placeholder: string;
}

const KINDS: Kind[] = [
  {
    value: "name",
    text: "name",
    title: "Which neurons know a label or a word?",
    placeholder: "a label or word, such as Village",
  },
  {
    value: "text",
    text: "text",
    title: "Which neurons fire for a text?",
    placeholder: "a text; its tokens are read by the model",
  },
  {
    value: "promoted",
    text: "promotes",
    title: "Which neurons make a token or class of the model more likely?",
    placeholder: "a token or class that the model predicts",
  },
  {
    value: "samples",
    text: "like samples",
    title: "Which neurons fire for these samples, more than for all others?",
    placeholder: "sample numbers, such as 3, 12-15; or click samples",
  },
  {
    value: "contrast",
    text: "these against those",
    title: "Which neurons tell these samples from those?",
    placeholder: "sample numbers, such as 3, 12 against 40-45",
  },
];
const BY_ROWS = new Set<SearchKind>(["samples", "contrast"]);

/** What a search was for, in words. */
function described({ kind, text, these, those }: Search): string {
  if (kind === "name") return `name “${text}”`;
  if (kind === "text") return `text “${text}”`;
  if (kind === "promoted") return `promotes “${text}”`;
  const few = (rows: number[]) =>
    rows.length > 6 ? `${grouped(rows.length)} samples` : `samples ${rowText(rows)}`;
  if (kind === "samples" || !those.length) return `like ${few(these)}`;
  return `${few(these)} against ${few(those)}`;
}

export function SearchLine({ state }: { state: State }) {
  const kind = useSignal<SearchKind>(state.searched.value?.kind ?? "name");
  const wrong = useSignal("");
  const field = useRef<HTMLInputElement>(null);
  const chosen = KINDS.find(({ value }) => value === kind.value) as Kind;
  const searched = state.searched.value;
  // Where no model says what neurons promote, there is nothing to search.
  const known = state.promoted.value?.note === "";
  const kinds = known ? KINDS : KINDS.filter(({ value }) => value !== "promoted");
  const match = state.match.value;
  const clicked = state.selection.value;

  const search = () => {
    const text = field.current?.value.trim() ?? "";
    wrong.value = "";
    if (!BY_ROWS.has(kind.value)) {
      if (text) state.search(kind.value, text);
      return;
    }
    const lists = text ? rowsOf(text) : { these: [...clicked], those: [] };
    if (!lists?.these.length)
      wrong.value = text
        ? `“${text}” is no list of samples. Write numbers, such as 3, 12-15${kind.value === "contrast" ? " against 40-45" : ""}.`
        : "No samples: click samples in the table, or write their numbers.";
    else state.search(kind.value, "", lists.these, lists.those);
  };

  const clear = () => {
    state.clearSearch();
    field.current?.focus();
  };

  return (
    <search aria-label="Search neurons">
      <form
        class="nw-search"
        onSubmit={(event) => {
          event.preventDefault();
          search();
        }}
      >
        <Segmented
          label="Search by"
          segments={kinds}
          chosen={kind.value}
          onChoose={(value) => {
            kind.value = value;
            wrong.value = "";
            const input = field.current;
            if (input && BY_ROWS.has(value) && !rowsOf(input.value)) input.value = rowText(clicked);
            else if (input && !BY_ROWS.has(value) && rowsOf(input.value)) input.value = "";
          }}
        />
        <NeedsKernel gone={state.gone.value}>
          <input
            ref={field}
            type="search"
            placeholder={chosen.placeholder}
            aria-label={`Search: ${chosen.title}`}
            autocomplete="off"
            onKeyDown={(event) => {
              // JupyterLab keeps Enter from submitting.
              if (event.key !== "Enter") return;
              event.preventDefault();
              search();
            }}
          />
          <button type="submit">search</button>
        </NeedsKernel>
        {clicked.length > 0 && (
          <button
            type="button"
            class="nw-plain-button"
            title="Which neurons have these samples on top is lit on the map"
            onClick={() => state.selection.set([])}
          >
            {counted(clicked.length, "sample")} lit: clear
          </button>
        )}
        <p class="nw-search-note" role="status">
          {wrong.value && <span class="nw-search-wrong">{wrong.value}</span>}
          {!wrong.value && searched && (
            <>
              <b>
                <bdi>{described(searched)}</bdi>
              </b>
              {match && (
                <>
                  {match.note && <span>{match.note}</span>}
                  <span class="nw-quiet">{match.about}</span>
                </>
              )}
              <NeedsKernel gone={state.gone.value}>
                <button type="button" class="nw-plain-button" onClick={clear}>
                  clear search
                </button>
              </NeedsKernel>
            </>
          )}
        </p>
      </form>
    </search>
  );
}
