/** The whole widget: header, knobs, curves and heatmaps, one neuron in detail. */
import { useMemo } from "preact/hooks";
import { themeOf } from "../../model/theme";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { LiveRegion } from "../../view/live-region";
import { StatusBar } from "../../view/status";
import { Controls } from "./controls";
import { Curves } from "./curves";
import { Detail } from "./detail";
import { TrainingHeader } from "./header";
import { RunPane } from "./heat";
import { Split } from "./split";
import type { State } from "./state";
import "./view.css";
import "./forced-colors.css";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function ToyLab({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const count = state.count.value;
  return (
    <Frame label="Toy lab">
      <TrainingHeader state={state} />
      <Status state={state} />
      <Controls state={state} />
      {count > 0 ? (
        <>
          <div class="nw-bench">
            <Curves state={state} theme={theme} />
            <div class="nw-runs">
              {Array.from({ length: count }, (_, r) => (
                <RunPane key={r} state={state} theme={theme} run={r} />
              ))}
            </div>
          </div>
          <Detail state={state} />
        </>
      ) : (
        <Empty />
      )}
      <Split state={state} />
      <LiveRegion text={() => said(state)} />
    </Frame>
  );
}

function Status({ state }: { state: State }) {
  const { status, running } = state;
  // Training is paused in the header, and says there how far it is.
  if (status.value.state === "running" && running.value) return null;
  return <StatusBar of={state} />;
}

/** Not at every picture: what is shown when training rests, or of a checkpoint. */
function said({ running, checkpoint, said }: State): string | null {
  return running.value && checkpoint.value === null ? null : said.value;
}
