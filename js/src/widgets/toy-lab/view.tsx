/** The whole widget: header, knobs, curves and heatmaps, one neuron in detail. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { themeOf } from "../../model/theme";
import { StatusBar } from "../../view/status";
import { Controls } from "./controls";
import { Curves } from "./curves";
import { Detail } from "./detail";
import { Header } from "./header";
import { RunPane } from "./heat";
import { Split } from "./split";
import type { State } from "./state";

interface Props {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function ToyLab({ state, root, lifetime }: Props) {
  const theme = useMemo(() => themeOf(root, lifetime), []);
  const count = state.count.value;
  return (
    <section class="nw-frame" aria-label="Toy lab">
      <Header state={state} />
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
        <p class="nw-empty">Nothing to show yet: run the cell that made this widget.</p>
      )}
      <Split state={state} />
      <Aloud state={state} />
    </section>
  );
}

function Status({ state }: { state: State }) {
  const { status, running } = state;
  // Training is paused in the header, and says there how far it is.
  if (status.value.state === "running" && running.value) return null;
  return <StatusBar status={status.value} onCancel={() => state.request({ type: "job.cancel" })} />;
}

/** What has come to rest for so long is read aloud. */
const REST = 600;

function Aloud({ state }: { state: State }) {
  const aloud = useSignal("");
  useSignalEffect(() => {
    if (state.running.value && state.checkpoint.value === null) return;
    const text = state.said.value;
    const timer = setTimeout(() => {
      aloud.value = text;
    }, REST);
    return () => clearTimeout(timer);
  });
  return (
    <p class="nw-hidden" aria-live="polite">
      {aloud.value}
    </p>
  );
}
