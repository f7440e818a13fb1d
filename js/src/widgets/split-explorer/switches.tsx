/** What is switched on or off below the tree, and the selection. */

import { useEffect, useRef } from "preact/hooks";
import { counted } from "../../core/scale";
import { NeedsKernel } from "../../view/needs-kernel";
import type { State } from "./state";
import "./switches.css";

export function Switches({ state, indent }: { state: State; indent: number }) {
  const chosen = state.selection.value.length;
  return (
    <div class="nw-switches" style={{ paddingLeft: `${indent}px` }}>
      <NeedsKernel gone={state.gone.value && !state.refined.value}>
        <Switch
          text="k-means membership, as in the paper"
          title="Which concept would k-means give each sample? As many clusters as the tree has here; outliers and small clusters belong to none."
          on={state.refined.value}
          onChange={(on) => state.refined.set(on)}
        />
      </NeedsKernel>
      <RefinedNote state={state} />
      <NeedsKernel gone={state.gone.value}>
        <PaperSwitch state={state} />
      </NeedsKernel>
      {chosen > 0 && (
        <button type="button" class="nw-plain-button" onClick={() => state.clearSelection()}>
          clear selection ({chosen})
        </button>
      )}
    </div>
  );
}

/** The kernel turns it; without a kernel it turns back. */
function PaperSwitch({ state }: { state: State }) {
  const on = state.paper.value;
  return (
    <Switch
      text="paper’s settings"
      title="Cluster and retrieve as in arXiv 2304.09707? By Ward's linkage of the vectors as they are, and by dot product; off: both by direction."
      on={on}
      settled={state.status.value.state !== "running" && state.status.value}
      onChange={(next) => state.setPaper(next)}
    />
  );
}

interface SwitchProps {
  text: string;
  title: string;
  on: boolean;
  /** Changes when the kernel has taken or refused the switch; false while it works. */
  settled?: unknown;
  onChange: (on: boolean) => void;
}

function Switch({ text, title, on, settled, onChange }: SwitchProps) {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current && settled !== false) box.current.checked = on;
  }, [on, settled]);
  return (
    <label class="nw-switch">
      <input
        ref={box}
        type="checkbox"
        role="switch"
        aria-checked={on}
        checked={on}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
      <span title={title}>{text}</span>
    </label>
  );
}

function RefinedNote({ state }: { state: State }) {
  if (!state.refined.value) return null;
  if (state.refining.value) {
    return (
      <span class="nw-quiet">{state.gone.value ? "needs the kernel" : "when the line rests…"}</span>
    );
  }
  const mark = state.current.value?.mark;
  if (!mark) return null;
  const reassigned = mark.filter((one) => one === 1).length;
  const outliers = mark.filter((one) => one === 2).length;
  return (
    <span class="nw-quiet">
      {reassigned} reassigned <i class="nw-sign nw-sign-reassigned" />,{" "}
      {counted(outliers, "outlier")} <i class="nw-sign nw-sign-outlier" />
    </span>
  );
}
