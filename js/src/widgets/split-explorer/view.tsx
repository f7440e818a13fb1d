/** The whole widget: header, the tree and its cut height, the map, the cards. */
import { useMemo } from "preact/hooks";
import { themeOf } from "../../model/theme";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { LiveRegion } from "../../view/live-region";
import { ReadingLine } from "../../view/reading";
import { StatusBar } from "../../view/status";
import { ActivationBand } from "./band";
import { Cards } from "./cards";
import { ConceptGraph } from "./graph";
import { SplitHeader } from "./header";
import { SampleMap } from "./map";
import type { State } from "./state";
import { ThresholdTree } from "./tree";
import "./view.css";
import "./forced-colors.css";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function SplitExplorer({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const data = state.data.value;
  const reading = state.reading.value;
  return (
    <Frame label="Split explorer">
      {data && <SplitHeader state={state} data={data} />}
      {reading && !state.gone.value && (
        <ReadingLine reading={reading} onStop={() => state.request({ type: "capture.cancel" })} />
      )}
      <StatusBar of={state} />
      {data ? (
        <div class="nw-panes">
          <div class="nw-left">
            <ThresholdTree state={state} theme={theme} />
            <ActivationBand state={state} data={data} />
            <SampleMap state={state} theme={theme} />
          </div>
          <Cards state={state} data={data} />
        </div>
      ) : (
        <Empty />
      )}
      <ConceptGraph state={state} root={root} />
      <LiveRegion text={() => state.spoken.value} />
    </Frame>
  );
}
