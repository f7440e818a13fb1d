/** The panel: what the kernel of the current notebook or console holds. */
import type { TranslationBundle } from "@jupyterlab/translation";
import { addIcon, type LabIcon, launchIcon, stopIcon } from "@jupyterlab/ui-components";
import type { ComponentChildren } from "preact";
import type {
  BackgroundCapture,
  FromPage,
  KernelState,
  LibraryState,
  StoreState,
  WidgetState,
} from "../protocol/schema/lab";
import { captureCode, conceptCode, neuronCode, storeCode } from "./code";
import { countOf, sizeOf } from "./words";

/** What the panel can do; the document that it is about is the current one. */
export interface Actions {
  send: (message: FromPage) => void;
  stop: (capture: BackgroundCapture) => void;
  insert: (code: string) => void;
  /** Scroll to the widget's cell, or open it in a tab where there is none. */
  reveal: (widget: WidgetState) => void;
  openInTab: (widget: WidgetState) => void;
}

export interface PanelProps {
  /** The file name of the document; null without one. */
  name: string | null;
  held: KernelState | null;
  others: { name: string; text: string; activate: () => void }[];
  actions: Actions;
  trans: TranslationBundle;
}

export function Panel({ name, held, others, actions, trans }: PanelProps) {
  const parts = { held, actions, trans };
  return (
    <div class="nw-lab">
      <h2 title={name ?? undefined}>{name ?? trans.__("Neurons")}</h2>
      {held ? <Held {...parts} held={held} /> : <Empty name={name} trans={trans} />}
      {others.length > 0 && (
        <Section title={trans.__("Other kernels")}>
          {others.map((other) => (
            <li class="nw-lab-row" key={other.name}>
              <div class="nw-lab-head">
                <button type="button" class="nw-lab-name" onClick={other.activate}>
                  {other.name}
                </button>
              </div>
              <p class="nw-lab-facts">{other.text}</p>
            </li>
          ))}
        </Section>
      )}
    </div>
  );
}

function Empty({ name, trans }: { name: string | null; trans: TranslationBundle }) {
  if (name === null) {
    return (
      <p class="nw-lab-empty">
        {trans.__("Open a notebook or a console to see the captures and widgets of its kernel.")}
      </p>
    );
  }
  return (
    <p class="nw-lab-empty">
      {trans.__("Captures and widgets appear here once a cell imports the package.")}
      <code>import neuronwidgets as nw</code>
    </p>
  );
}

interface Parts {
  held: KernelState;
  actions: Actions;
  trans: TranslationBundle;
}

function Held(parts: Parts) {
  const { held, trans } = parts;
  const { captures, widgets, stores, libraries } = held;
  const running = captures.filter(({ state }) => state === "running").length;
  const bytes = stores.reduce((sum, store) => sum + store.bytes, 0);
  const nothing = captures.length + widgets.length + stores.length + libraries.length === 0;
  return (
    <>
      <p class="nw-lab-said" role="status">
        {running > 0
          ? trans._n("%1 capture runs", "%1 captures run", running, running)
          : captures.length > 0 && trans.__("No capture runs")}
      </p>
      {nothing && (
        <p class="nw-lab-empty">
          {trans.__("This kernel holds no captures, activations or widgets yet.")}
        </p>
      )}
      {captures.length > 0 && (
        <Section title={trans.__("Captures")}>
          {captures.map((capture) => (
            <Capture key={capture.id} capture={capture} {...parts} />
          ))}
        </Section>
      )}
      {widgets.length > 0 && (
        <Section title={trans.__("Widgets")}>
          {widgets.map((widget) => (
            <Explorer key={widget.id} widget={widget} {...parts} />
          ))}
        </Section>
      )}
      {stores.length > 0 && (
        <Section title={trans.__("Activations")} note={trans.__("%1 in memory", sizeOf(bytes))}>
          {stores.map((store) => (
            <Store key={store.id} store={store} {...parts} />
          ))}
        </Section>
      )}
      {libraries.length > 0 && (
        <Section title={trans.__("Concepts")}>
          {libraries.map((library, i) => (
            <Library key={library.variable ?? i} library={library} {...parts} />
          ))}
        </Section>
      )}
    </>
  );
}

function Section({
  title,
  note,
  children,
}: {
  title: string;
  note?: string;
  children: ComponentChildren;
}) {
  return (
    <section aria-label={title}>
      <h3>
        {title}
        {note && <span>{note}</span>}
      </h3>
      <ul>{children}</ul>
    </section>
  );
}

function Capture({ capture, actions, trans }: Parts & { capture: BackgroundCapture }) {
  const { state, samples, total, layer, variable, text } = capture;
  const running = state === "running";
  const share = total ? Math.min(1, samples / total) : null;
  const code = variable ? captureCode(variable) : null;
  const facts = [text, ...sizesOf(capture, trans)];
  return (
    <li class="nw-lab-row" {...dragging(code)}>
      <div class="nw-lab-head">
        <span class="nw-lab-name" title={layer}>
          {variable && <code>{variable}</code>} <span class="nw-lab-quiet">{layer}</span>
        </span>
        {running && (
          <Act
            icon={stopIcon}
            label={trans.__("Stop the capture of %1; what was read is kept", layer)}
            onClick={() => actions.stop(capture)}
          />
        )}
        {samples > 0 && (
          <Act
            icon={launchIcon}
            label={trans.__("Explore the capture of %1 in a tab", layer)}
            onClick={() => actions.send({ type: "capture.explore", id: capture.id })}
          />
        )}
        <Insert code={code} actions={actions} trans={trans} />
      </div>
      {running && (
        <div
          class="nw-lab-bar"
          role="progressbar"
          aria-label={trans.__("Samples read of %1", layer)}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={share === null ? undefined : Math.floor(share * 100)}
        >
          <i style={{ width: `${(share ?? 0) * 100}%` }} />
        </div>
      )}
      <p class={state === "failed" ? "nw-lab-facts nw-lab-failed" : "nw-lab-facts"}>
        {facts.filter(Boolean).join(" · ")}
      </p>
    </li>
  );
}

/** What something takes of memory and of the disk, where it takes any. */
function sizesOf({ bytes, disk }: { bytes: number; disk: number }, trans: TranslationBundle) {
  return [bytes > 0 && sizeOf(bytes), disk > 0 && trans.__("%1 on disk", sizeOf(disk))].filter(
    (size) => size !== false,
  );
}

function Explorer({ widget, held, actions, trans }: Parts & { widget: WidgetState }) {
  const { kind, title, variable, pinned, layer } = widget;
  return (
    <li class="nw-lab-row" {...dragging(variable)}>
      <div class="nw-lab-head">
        <button
          type="button"
          class="nw-lab-name"
          title={trans.__("Scroll to the cell of %1", title)}
          onClick={() => actions.reveal(widget)}
        >
          {title}
        </button>
        <Act
          icon={launchIcon}
          label={trans.__("Open %1 in a tab", title)}
          onClick={() => actions.openInTab(widget)}
        />
        <Insert code={variable} actions={actions} trans={trans} />
      </div>
      <p class="nw-lab-facts">
        {kind}
        {variable && (
          <>
            {" · "}
            <code>{variable}</code>
          </>
        )}
      </p>
      {pinned.length > 0 && (
        <div class="nw-lab-chips">
          <span class="nw-lab-facts">{trans.__("pinned")}</span>
          {pinned.map((neuron) => (
            <Chip
              key={neuron}
              code={neuronCode(neuron, layer, held)}
              actions={actions}
              trans={trans}
            >
              {neuron}
            </Chip>
          ))}
        </div>
      )}
    </li>
  );
}

function Store({ store, actions, trans }: Parts & { store: StoreState }) {
  const { layer, variable, samples, neurons, path } = store;
  return (
    <li class="nw-lab-row" {...dragging(storeCode(store))}>
      <div class="nw-lab-head">
        <span class="nw-lab-name" title={path ?? layer}>
          {variable && <code>{variable}</code>} <span class="nw-lab-quiet">{layer}</span>
        </span>
        <Act
          icon={launchIcon}
          label={trans.__("Explore %1 in a tab", variable ?? layer)}
          onClick={() => actions.send({ type: "store.explore", id: store.id })}
        />
        <Insert code={storeCode(store)} actions={actions} trans={trans} />
      </div>
      <p class="nw-lab-facts">
        {trans.__("%1 samples × %2 neurons", countOf(samples), countOf(neurons))}
        {sizesOf(store, trans).map((size) => ` · ${size}`)}
      </p>
    </li>
  );
}

function Library({ library, actions, trans }: Parts & { library: LibraryState }) {
  const { variable, concepts, names } = library;
  return (
    <li class="nw-lab-row">
      <div class="nw-lab-head">
        <span class="nw-lab-name">{variable && <code>{variable}</code>}</span>
        <span class="nw-lab-facts">
          {trans._n("%1 concept", "%1 concepts", concepts, countOf(concepts))}
        </span>
      </div>
      {variable && (
        <div class="nw-lab-chips">
          {names.map((name) => (
            <Chip key={name} code={conceptCode(variable, name)} actions={actions} trans={trans}>
              {name}
            </Chip>
          ))}
        </div>
      )}
    </li>
  );
}

/** What makes an element write a line of code where it is dropped. */
function dragging(code: string | null) {
  if (code === null) return {};
  return {
    draggable: true,
    onDragStart: (event: DragEvent) => {
      event.dataTransfer?.setData("text/plain", code);
      event.stopPropagation();
    },
  };
}

interface CodeProps {
  actions: Actions;
  trans: TranslationBundle;
}

/** For keyboards: what the drag of the row writes, into a cell of its own. */
function Insert({ code, actions, trans }: CodeProps & { code: string | null }) {
  if (code === null) return null;
  const label = trans.__("Insert %1 into a cell", code);
  return <Act icon={addIcon} label={label} onClick={() => actions.insert(code)} />;
}

function Chip({
  code,
  actions,
  trans,
  children,
}: CodeProps & { code: string; children: ComponentChildren }) {
  const title = trans.__("Drag into a cell, or press to insert: %1", code);
  return (
    <button
      type="button"
      class="nw-lab-chip"
      title={title}
      onClick={() => actions.insert(code)}
      {...dragging(code)}
    >
      {children}
    </button>
  );
}

function Act({ icon, label, onClick }: { icon: LabIcon; label: string; onClick: () => void }) {
  return (
    <button
      type="button"
      class="nw-lab-act"
      aria-label={label}
      title={label}
      onClick={onClick}
      dangerouslySetInnerHTML={{ __html: icon.svgstr }}
    />
  );
}
