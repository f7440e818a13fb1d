/** The whole widget: header, the ridges and their range, what the mask costs, who is in it. */
import { useMemo } from "preact/hooks";
import { themeOf } from "../../model/theme";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { ReadingLine } from "../../view/reading";
import { StatusBar } from "../../view/status";
import { Completions } from "./completions";
import { Controls } from "./controls";
import { Cost } from "./cost";
import { Examples } from "./examples";
import { Find } from "./find";
import { RangesHeader } from "./header";
import { Overlap } from "./overlap";
import { Ridges } from "./ridges";
import type { State } from "./state";
import "./forced-colors.css";
import "./view.css";

/** Of more classes than fit on the screen, one is found by its name. */
const MANY = 30;

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function RangeExplorer({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const data = state.data.value;
  const reading = state.reading.value;
  const { measure, complete } = state.capabilities.value;
  // Without bars there is room beside the ridges.
  const overlap = data && <Overlap state={state} data={data} theme={theme} />;
  const examples = data && <Examples state={state} data={data} />;
  const completions = data && complete && <Completions state={state} data={data} />;
  const full = measure && complete;
  return (
    <Frame label="Range explorer" accent={state.accent.value}>
      {data && <RangesHeader state={state} data={data} />}
      {reading && !state.gone.value && (
        <ReadingLine reading={reading} onStop={() => state.request({ type: "capture.cancel" })} />
      )}
      <StatusBar of={state} />
      {data ? (
        <>
          <div class="nw-halves">
            <div class="nw-half">
              <div class="nw-heading">
                <h3 title={`Where does each ${data.what} live on this neuron’s axis?`}>
                  Activation distributions
                </h3>
                <span class="nw-quiet nw-small">dashed: fitted normal curve</span>
                {data.labels.length > MANY && <Find state={state} data={data} />}
              </div>
              <Ridges state={state} data={data} theme={theme} />
              <Controls state={state} />
            </div>
            <div class="nw-half">
              <Cost state={state} data={data} />
              {full ? completions : examples}
              {!measure && overlap}
            </div>
          </div>
          {full && <div class="nw-examples-below">{examples}</div>}
          {!full && completions}
          {measure && overlap}
        </>
      ) : (
        <Empty />
      )}
    </Frame>
  );
}
