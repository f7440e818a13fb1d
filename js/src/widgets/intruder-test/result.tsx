/** What the answers say, after the last one: the concepts by name, and the answer sheet. */
import { exactInterval } from "../../core/binomial";
import { CopyButton } from "../../view/copy-button";
import { ShareBar } from "./share-bar";
import { type Share, sheetOf } from "./sheet";
import type { State } from "./state";
import "./result.css";

export function Result({ state }: { state: State }) {
  const data = state.data.value;
  if (!data) return null;
  const { names, chance, threshold } = data.meta;
  const sheet = () => sheetOf(data, state.student.value, state.answers.value);
  return (
    <section class="nw-result" aria-label="Result">
      <p class="nw-ask">{verdictOf(state.total.value, chance)}</p>
      <div class="nw-of-concepts">
        {names.map((name, k) => {
          const share = state.ofConcept(k);
          return share.count > 0 ? (
            <ShareBar
              key={k}
              name={`${k + 1}. ${name}`}
              title="How often was the odd one found among samples of this concept?"
              share={share}
              chance={chance}
            />
          ) : null;
        })}
      </div>
      <div class="nw-hand-in">
        <span class="nw-quiet">cut at {threshold.toPrecision(3)}</span>
        <button type="button" onClick={() => download(sheet(), state.student.value)}>
          save answers
        </button>
        <CopyButton
          text="copy answers"
          title="Copy the answer sheet, which nw.IntruderTest.pool reads?"
          content={sheet}
        />
      </div>
    </section>
  );
}

function verdictOf(share: Share, chance: number): string {
  const [low, high] = exactInterval(share.right, share.count);
  const percent = `${Math.round(100 * chance)}%`;
  if (low > chance)
    return `The concepts can be told apart: the interval is above chance, ${percent}.`;
  if (high < chance) return `Fewer odd ones were found than by chance, ${percent}.`;
  return `These answers do not tell the concepts apart: the interval includes chance, ${percent}.`;
}

function download(text: string, student: string): void {
  const link = document.createElement("a");
  link.href = `data:application/json;charset=utf-8,${encodeURIComponent(text)}`;
  link.download = `${`intruder-test ${student.replace(/[^\p{L}\p{N} _-]/gu, "")}`.trim()}.json`;
  link.click();
}
