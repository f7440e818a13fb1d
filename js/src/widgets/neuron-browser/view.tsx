/** The whole widget: header with the search, the table, and the map with the cut. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { themeOf } from "../../model/theme";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { ReadingLine } from "../../view/reading";
import { Segmented } from "../../view/segmented";
import { StatusBar } from "../../view/status";
import { CutSlider } from "./cut";
import { BrowserHeader } from "./header";
import { LibraryLine } from "./library";
import { MapOfLayer } from "./map";
import { SearchLine } from "./search";
import type { State } from "./state";
import { NeuronTable } from "./table";
import "./view.css";
import "./forced-colors.css";
import "./print.css";

type Side = "table" | "map";
const SIDES: { value: Side; text: string }[] = [
  { value: "table", text: "table" },
  { value: "map", text: "map" },
];

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function NeuronBrowser({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const shown = useSignal<Side>("table");
  const table = state.table.value;
  const reading = state.reading.value;
  return (
    <Frame label="Neuron browser">
      {table && <BrowserHeader state={state} table={table} />}
      {reading && (
        <ReadingLine reading={reading} onStop={() => state.request({ type: "capture.cancel" })} />
      )}
      <StatusBar of={state} />
      {table ? (
        <>
          <SearchLine state={state} />
          <div class="nw-either">
            <Segmented
              label="Shown"
              segments={SIDES}
              chosen={shown.value}
              onChoose={(value) => {
                shown.value = value;
              }}
            />
          </div>
          <div class={`nw-browse nw-shows-${shown.value}`}>
            <NeuronTable state={state} table={table} />
            <div class="nw-layer-side">
              <CutSlider state={state} theme={theme} />
              <MapOfLayer state={state} theme={theme} table={table} />
            </div>
          </div>
          <LibraryLine state={state} table={table} />
        </>
      ) : (
        <Empty />
      )}
    </Frame>
  );
}
