/** Widgets in tabs of their own, beside the notebook or console that made them. */
import type { ILayoutRestorer, JupyterFrontEnd } from "@jupyterlab/application";
import { MainAreaWidget, WidgetTracker } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";
import type { CellModel } from "@jupyterlab/notebook";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Panel, SplitPanel, Widget } from "@lumino/widgets";
import { effect } from "@preact/signals";
import type { Document, Documents } from "./documents";
import { neuronIcon } from "./icons";

export const OPEN = "neuronwidgets:open-widget";
/** What the ids of the tabs begin with; the model's id follows. */
const TAB = "neuronwidgets-view-";
/** The id of Notebook 7's area below the notebook. */
const BELOW = "jp-down-stack";
const VIEW = "application/vnd.jupyter.widget-view+json";
const STATE = "application/vnd.jupyter.widget-state+json";
/** Milliseconds between two looks for the notebook's widget manager, and how often it is looked for. */
const LOOK = 50;
const LOOKS = 600;

export interface ViewArguments {
  /** The document that made the widget. */
  path: string;
  /** The widget's model. */
  id: string;
  title: string;
}

/** The model of the first widget that a cell's outputs show; null without one. */
export function modelIn(outputs: CellModel["outputs"]): string | null {
  for (let i = 0; i < (outputs?.length ?? 0); i++) {
    const view = outputs?.get(i).data[VIEW] as { model_id?: string } | undefined;
    if (view?.model_id) return view.model_id;
  }
  return null;
}

export class Views {
  private readonly tracker = new WidgetTracker<MainAreaWidget<View>>({
    namespace: "neuronwidgets",
  });

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly documents: Documents,
    private readonly rendermime: IRenderMimeRegistry | null,
    restorer: ILayoutRestorer | null,
    /** Whether the page has tabs, as JupyterLab has. */
    private readonly tabs: boolean,
    private readonly trans: TranslationBundle,
  ) {
    void restorer?.restore(this.tracker, {
      command: OPEN,
      args: ({ content }) => ({ ...content.about }),
      name: ({ content }) => content.about.id,
    });
  }

  /** Open a widget in a tab, or show the tab that it has. */
  open(about: ViewArguments, mode: string): void {
    const there = this.tracker.find(({ content }) => content.about.id === about.id);
    if (there) {
      this.app.shell.activateById(there.id);
      return;
    }
    const content = new View(this.app, about, this.documents, this.rendermime, this.trans);
    const tab = new MainAreaWidget({ content });
    tab.id = `${TAB}${about.id}`;
    tab.title.label = about.title;
    tab.title.caption = this.trans.__("%1, made by %2", about.title, about.path);
    tab.title.icon = neuronIcon;
    tab.title.closable = true;
    this.documents.own(tab, about.path);
    const unfollow = effect(() => this.retitle(tab));
    tab.disposed.connect(unfollow);
    void this.tracker.add(tab);
    const beside = this.documents.at(about.path)?.widget;
    const ref = beside?.isAttached ? beside.id : null;
    if (this.tabs) this.app.shell.add(tab, "main", { mode, ref, type: "neuronwidgets" });
    else this.addBeside(tab);
  }

  /** Add a tab in Notebook 7, whose main area has one widget, the notebook. */
  private addBeside(tab: Widget): void {
    const { shell } = this.app;
    // Below the notebook; Notebook 7.2 has no such area.
    shell.add(tab, document.getElementById(BELOW) ? "down" : "left");
    shell.activateById(tab.id);
    // An area that was hidden comes with the least size.
    let split: Widget | null = tab;
    while (split && !(split instanceof SplitPanel)) split = split.parent;
    if (!split) return;
    const sizes = split.relativeSizes();
    const own = split.widgets.findIndex((area) => area.contains(tab));
    sizes[own] = Math.max(...sizes);
    split.setRelativeSizes(sizes);
  }

  /** Give a tab the title that its widget has now: the user may have chosen another neuron. */
  private retitle(tab: MainAreaWidget<View>): void {
    const { about } = tab.content;
    const document = this.documents.at(about.path);
    const held = document && this.documents.speaker(document).link.held.value;
    const title = held?.widgets.find(({ id }) => id === about.id)?.title;
    if (!title || title === about.title) return;
    about.title = title;
    tab.title.label = title;
    if (this.tracker.has(tab)) void this.tracker.save(tab);
  }
}

/** One widget, or a sentence why it is not here. */
class View extends Panel {
  private document: Document | null = null;

  constructor(
    private readonly app: JupyterFrontEnd,
    readonly about: ViewArguments,
    private readonly documents: Documents,
    private readonly rendermime: IRenderMimeRegistry | null,
    private readonly trans: TranslationBundle,
  ) {
    super();
    this.addClass("nw-lab-view");
    // Lumino's signals know who is connected, Preact's need to be told.
    const unwatch = documents.all.subscribe((all) => {
      if (this.document && !all.includes(this.document)) this.closed();
      else if (!this.document) void this.look();
    });
    this.disposed.connect(unwatch);
    // The page restores notebooks and tabs in any order.
    void app.restored.then(() => this.look(true));
  }

  private get name(): string {
    return PathExt.basename(this.about.path);
  }

  private async look(restored = false): Promise<void> {
    if (this.document || this.isDisposed) return;
    const document = this.documents.at(this.about.path);
    if (document) {
      this.document = document;
      await this.show(document);
    } else if (restored) {
      this.say(
        this.trans.__("%1 is not open. Its widgets are shown while it is.", this.name),
        true,
      );
    } else this.say(this.trans.__("Waiting for %1.", this.name));
  }

  private async show(document: Document): Promise<void> {
    const { trans, name } = this;
    const { context } = document.link;
    this.say(trans.__("Waiting for the kernel of %1.", name));
    await context.ready;
    const gone = () => this.isDisposed || this.document !== document;
    if (!(await this.managed(document, gone)) || gone()) return;
    if (!(await this.exists(document))) {
      if (gone()) return;
      this.say(
        trans.__(
          "This widget is gone with the kernel that made it. Run its cell in %1 again, and open it from there.",
          name,
        ),
        true,
      );
      return;
    }
    if (gone()) return;
    const renderer = document.rendermime.createRenderer(VIEW);
    const data = { [VIEW]: { version_major: 2, version_minor: 0, model_id: this.about.id } };
    this.empty();
    this.addWidget(renderer);
    await renderer.renderModel(document.rendermime.createModel({ data, trusted: true }));
  }

  /** Whether ipywidgets has given the document the renderer that knows its kernel's widgets.
   *
   * It replaces the page's renderer some time after the kernel is ready, and tells nobody. */
  private async managed(document: Document, gone: () => boolean): Promise<boolean> {
    const placeholder = this.rendermime?.getFactory(VIEW);
    for (let look = 0; look < LOOKS && !gone(); look++) {
      const factory = document.rendermime.getFactory(VIEW);
      if (factory && factory !== placeholder) return true;
      await new Promise((resolve) => setTimeout(resolve, LOOK));
    }
    if (!gone()) this.say(this.trans.__("This page shows no widgets: ipywidgets is missing."));
    return false;
  }

  /** Whether the kernel or the saved notebook has the widget. */
  private async exists({ link, notebook }: Document): Promise<boolean> {
    const { id } = this.about;
    const saved = notebook?.model?.getMetadata("widgets") as
      | Record<string, { state?: object } | undefined>
      | undefined;
    if (id in (saved?.[STATE]?.state ?? {})) return true;
    const kernel = link.context.session?.kernel;
    const reply = await kernel
      ?.requestCommInfo({ target_name: "jupyter.widget" })
      .catch(() => null);
    return id in (reply?.content.comms ?? {});
  }

  private closed(): void {
    this.document = null;
    this.say(
      this.trans.__("%1 was closed. Its widgets are shown while it is open.", this.name),
      true,
    );
  }

  private empty(): void {
    for (const widget of [...this.widgets]) widget.dispose();
  }

  /** A sentence in place of the widget, with a button that opens the document if `offer`. */
  private say(text: string, offer = false): void {
    this.empty();
    const node = document.createElement("p");
    node.setAttribute("role", "status");
    node.textContent = text;
    // A console has no file to open it by.
    if (offer && PathExt.extname(this.about.path)) {
      const button = node.appendChild(document.createElement("button"));
      button.type = "button";
      button.textContent = this.trans.__("Open %1", this.name);
      button.onclick = () => {
        const ref = `${TAB}${this.about.id}`;
        const options = { mode: "split-left", ref };
        void this.app.commands.execute("docmanager:open", { path: this.about.path, options });
      };
    }
    this.addWidget(new Widget({ node }));
  }
}
