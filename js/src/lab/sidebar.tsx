/** The sidebar's widget: it draws the panel for the current document and carries out its actions. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { effect } from "@preact/signals";
import { render } from "preact";
import type { KernelState, WidgetState } from "../protocol/schema/lab";
import type { Document, Documents } from "./documents";
import { neuronIcon } from "./icons";
import { type Actions, Panel } from "./panel";
import type { Settings } from "./settings";
import type { ViewArguments } from "./views";

export const PANEL = "neuronwidgets-panel";

export class Sidebar extends Widget {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly documents: Documents,
    private readonly open: (about: ViewArguments) => void,
    private readonly settings: () => Settings,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.id = PANEL;
    this.addClass("nw-lab-panel");
    this.title.icon = neuronIcon;
    this.title.caption = trans.__("Neurons: what this kernel holds");
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", trans.__("Neurons"));
    const stop = effect(() => this.draw());
    this.disposed.connect(() => {
      stop();
      render(null, this.node);
    });
  }

  private draw(): void {
    const { current, all } = this.documents;
    const document = current.value;
    const speaker = document && this.documents.speaker(document);
    const held = speaker?.link.held.value ?? null;
    const others = all.value
      .filter((other) => other !== document && other !== speaker)
      .flatMap((other) => {
        const text = other.link.held.value && summaryOf(other.link.held.value, this.trans);
        const activate = () => this.app.shell.activateById(other.widget.id);
        return text ? [{ name: other.widget.title.label, text, activate }] : [];
      });
    render(
      <Panel
        name={document?.widget.title.label ?? null}
        held={held}
        others={others}
        actions={this.actionsOn(document)}
        trans={this.trans}
      />,
      this.node,
    );
  }

  private actionsOn(document: Document | null): Actions {
    const send: Actions["send"] = (message) =>
      document && this.documents.speaker(document).link.send(message);
    return {
      send,
      insert: (code) => {
        document?.insert(code);
        if (document) this.app.shell.activateById(document.widget.id);
      },
      stop: async ({ id, layer }) => {
        if (this.settings().confirmStop) {
          const { button } = await showDialog({
            title: this.trans.__("Stop the capture of %1?", layer),
            body: this.trans.__("What was read is kept. The rest of the data is not read."),
            buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: this.trans.__("Stop") })],
          });
          if (!button.accept) return;
        }
        send({ type: "capture.cancel", id });
      },
      reveal: (widget) => {
        if (!document || !this.scrolled(document, widget)) this.openInTab(document, widget);
      },
      openInTab: (widget) => this.openInTab(document, widget),
    };
  }

  /** Whether the cell of a widget is there; it is then active and in view. */
  private scrolled({ notebook, widget: panel }: Document, { cell }: WidgetState): boolean {
    const index = notebook?.widgets.findIndex(({ model }) => model.id === cell) ?? -1;
    if (!notebook || index < 0) return false;
    this.app.shell.activateById(panel.id);
    notebook.activeCellIndex = index;
    void notebook.scrollToItem(index, "center");
    return true;
  }

  private openInTab(document: Document | null, { id, title }: WidgetState): void {
    if (document) this.open({ path: document.link.context.path, id, title });
  }
}

/** What a kernel holds, in a line; null if it holds nothing. */
function summaryOf(held: KernelState, trans: TranslationBundle): string | null {
  const running = held.captures.filter(({ state }) => state === "running").length;
  const { widgets, stores } = held;
  const parts = [
    running > 0 && trans._n("%1 capture runs", "%1 captures run", running, running),
    widgets.length > 0 && trans._n("%1 widget", "%1 widgets", widgets.length, widgets.length),
    stores.length > 0 &&
      trans._n("%1 set of activations", "%1 sets of activations", stores.length, stores.length),
  ].filter(Boolean);
  return parts.length > 0 ? parts.join(", ") : null;
}
