/** The whole widget: where one is, the layer's browser, and the chosen neuron beside it. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ExplorerTab } from "../../protocol/schema";
import { CopyButton } from "../../view/copy-button";
import { Embedded } from "../../view/embedded";
import { Empty } from "../../view/empty";
import { Frame } from "../../view/frame";
import { Header } from "../../view/header";
import { NeedsKernel } from "../../view/needs-kernel";
import { StatusBar } from "../../view/status";
import { type State, TABS } from "./state";
import "./view.css";

export function Explorer({ state }: { state: State }) {
  const { browser, neuron } = state;
  return (
    <Frame label="Explorer">
      <ExplorerHeader state={state} />
      <StatusBar of={state} />
      {browser.value ? (
        <Panes
          left={<Part state={state} reference={browser.value} name="explorer.browser" />}
          right={neuron.value === null ? <NoneYet /> : <Neuron state={state} />}
        />
      ) : (
        <Empty />
      )}
    </Frame>
  );
}

function ExplorerHeader({ state }: { state: State }) {
  const { back, forward, layer, reason, neuron } = state;
  return (
    <Header
      title="Explore"
      facts={<CopyButton text="copy address" content={state.address} />}
      gone={state.gone.value}
      code={state.code}
    >
      <span class="nw-steps">
        <button type="button" disabled={!back.value} onClick={() => state.step(-1)}>
          ← back
        </button>
        <button type="button" disabled={!forward.value} onClick={() => state.step(1)}>
          forward →
        </button>
      </span>
      <span>
        layer <b class="nw-layer">{layer.value}</b>
        {neuron.value !== null && (
          <>
            {" "}
            · neuron <b>{neuron.value}</b>
          </>
        )}
      </span>
      {reason.value && <span class="nw-quiet nw-reason">{reason.value}</span>}
    </Header>
  );
}

/** Side by side with a border to drag, or one above the other where there is no room. */
function Panes({ left, right }: { left: ComponentChildren; right: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const share = useSignal(42);
  const move = (percent: number) => {
    share.value = Math.min(65, Math.max(25, percent));
  };
  return (
    <div class="nw-explore" ref={box} style={{ "--nw-share": `${share.value}%` }}>
      <div class="nw-explore-left">{left}</div>
      {/* biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr> */}
      <div
        class="nw-explore-border"
        role="separator"
        tabIndex={0}
        aria-label="width of the browser"
        aria-orientation="vertical"
        aria-valuenow={Math.round(share.value)}
        aria-valuemin={25}
        aria-valuemax={65}
        onKeyDown={(event) => {
          if (event.key === "ArrowLeft") move(share.value - 2);
          else if (event.key === "ArrowRight") move(share.value + 2);
          else return;
          event.preventDefault();
        }}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => {
          if (!event.currentTarget.hasPointerCapture(event.pointerId) || !box.current) return;
          const { left: x, width } = box.current.getBoundingClientRect();
          move(((event.clientX - x) / width) * 100);
        }}
      />
      <div class="nw-explore-right">{right}</div>
    </div>
  );
}

function NoneYet() {
  return (
    <p class="nw-none-yet">
      Choose a neuron: click its number in the table or press Enter there, or click its circle on
      the map. Its concepts, its ranges and its probe open here.
    </p>
  );
}

function Neuron({ state }: { state: State }) {
  const { tab, missing, neuron, lowerOf } = state;
  const refused = useSignal<ExplorerTab | null>(null);
  return (
    <section aria-label={`neuron ${neuron.value}`}>
      <div class="nw-tabs" role="tablist" aria-label="what is shown of the neuron">
        {TABS.map((entry) => (
          <Tab
            key={entry.tab}
            state={state}
            {...entry}
            onRefused={() => {
              refused.value = entry.tab;
            }}
          />
        ))}
      </div>
      {refused.value && (
        <p class="nw-why-not nw-quiet" role="status">
          {missing.value[refused.value]}
        </p>
      )}
      {TABS.map(({ tab: of, title }) => {
        const reference = state.widgetOf(of);
        const here = of === tab.value;
        const below = of === "split" && Boolean(lowerOf.value);
        // A widget that was opened stays in the page: to return to it costs nothing.
        return reference ? (
          <div
            key={`${of} ${reference}`}
            role="tabpanel"
            aria-label={title}
            hidden={!here || below}
          >
            <Part state={state} reference={reference} name={`explorer.${of}`} />
          </div>
        ) : (
          here && !below && <p class="nw-none-yet">{missing.value[of] ?? "Opening …"}</p>
        );
      })}
      {tab.value === "split" && lowerOf.value && <Lower state={state} />}
    </section>
  );
}

/** A neuron of a layer below, one of whose concepts feeds one of the chosen neuron's. */
function Lower({ state }: { state: State }) {
  const { lower, lowerOf, neuron, gone } = state;
  const reference = lower.value;
  return (
    <section aria-label={lowerOf.value}>
      <div class="nw-heading nw-lower-heading">
        <h3>
          <bdi>{lowerOf.value}</bdi>, below neuron {neuron.value}
        </h3>
        <NeedsKernel gone={gone.value}>
          <button type="button" title="Show its own concepts again?" onClick={state.closeLower}>
            back to neuron {neuron.value}
          </button>
        </NeedsKernel>
      </div>
      {reference ? (
        <Part key={reference} state={state} reference={reference} name="explorer.lower" />
      ) : (
        <p class="nw-none-yet">Opening …</p>
      )}
    </section>
  );
}

function Tab({
  state,
  tab,
  title,
  about,
  onRefused,
}: {
  state: State;
  tab: ExplorerTab;
  title: string;
  about: string;
  /** A tab that cannot be shown was clicked. */
  onRefused: () => void;
}) {
  const here = state.tab.value === tab;
  const why = state.missing.value[tab];
  const button = useRef<HTMLButtonElement>(null);
  const wasHere = useRef(here);
  useEffect(() => {
    // The arrows move the focus with the choice.
    const focused = document.activeElement?.closest(".nw-tabs") === button.current?.parentElement;
    if (here && !wasHere.current && focused) button.current?.focus();
    wasHere.current = here;
  });
  const open = TABS.map((entry) => entry.tab).filter((of) => !state.missing.value[of]);
  const next = (by: number) => {
    const at = open.indexOf(tab) + by;
    state.tab.set(open[(at + open.length) % open.length]);
  };
  return (
    <button
      ref={button}
      type="button"
      role="tab"
      aria-selected={here}
      aria-disabled={Boolean(why)}
      tabIndex={here ? 0 : -1}
      title={why ?? about}
      onClick={() => (why ? onRefused() : state.tab.set(tab))}
      onKeyDown={(event) => {
        if (event.key === "ArrowRight") next(1);
        else if (event.key === "ArrowLeft") next(-1);
        else return;
        event.preventDefault();
      }}
    >
      {title}
    </button>
  );
}

function Part({ state, reference, name }: { state: State; reference: string; name: string }) {
  return (
    <Embedded
      key={reference}
      reference={reference}
      embed={state.embed}
      elsewhere={`It cannot be shown here: run ${name} in a cell to see it.`}
    />
  );
}
