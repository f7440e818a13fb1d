/** The whole widget: header, the question or the result, and the right answers so far. */
import { Empty } from "../../view/empty";
import { useTyped } from "../../view/field";
import { Frame } from "../../view/frame";
import { Header } from "../../view/header";
import { StatusBar } from "../../view/status";
import { Cards } from "./cards";
import { codeOf } from "./code";
import { Result } from "./result";
import { ShareBar } from "./share-bar";
import type { State } from "./state";
import "./forced-colors.css";
import "./view.css";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function IntruderTest({ state }: Props) {
  const data = state.data.value;
  return (
    <Frame label="Intruder test">
      <TestHeader state={state} />
      <StatusBar of={state} />
      {data && state.questions.value.length > 0 ? (
        <div class="nw-test">
          {state.ended.value ? <Result state={state} /> : <Cards state={state} />}
          <div class="nw-so-far">
            <p class="nw-caption">
              <span>
                odd one found · band: exact 95% interval · dashed: chance,{" "}
                {Math.round(100 * data.meta.chance)}%
              </span>
            </p>
            <ShareBar
              name="concepts"
              title="How often was the odd one found among samples of a concept?"
              share={state.total.value}
              chance={data.meta.chance}
            />
            {data.questions.some(({ control }) => control) && (
              <ShareBar
                name="random samples"
                title="The control: how often was it found where only luck finds it?"
                share={state.control.value}
                chance={data.meta.chance}
              />
            )}
          </div>
        </div>
      ) : (
        <Empty />
      )}
    </Frame>
  );
}

function TestHeader({ state }: { state: State }) {
  const { student, at, ended, data } = state;
  const typed = useTyped(student.value, (field) => student.set(field.value.trim()));
  const count = state.questions.value.length;
  return (
    <Header
      title="Intruder test"
      // Answers need no kernel: they are kept on the page and in the answer sheet.
      gone={false}
      code={() => codeOf(state)}
      facts={
        data.value && (
          <span dir="auto">
            {data.value.meta.target} of layer {data.value.meta.layer}
          </span>
        )
      }
    >
      <span class="nw-quiet nw-question-number" aria-live="polite">
        {ended.value ? `${count} of ${count}` : `${at.value + 1} of ${count}`}
      </span>
      <progress
        class="nw-done"
        aria-label="questions answered"
        value={state.answers.value.length}
        max={count}
      />
      <label title="Whose answers are these?">
        name
        <input class="nw-student" type="text" placeholder="optional" {...typed} />
      </label>
    </Header>
  );
}
