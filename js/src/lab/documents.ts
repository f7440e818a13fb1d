/** The notebooks and consoles of the page, their kernels, and which of them the panel follows. */
import type { ILabShell, JupyterFrontEnd } from "@jupyterlab/application";
import type { ISessionContext, IWidgetTracker } from "@jupyterlab/apputils";
import type { ConsolePanel, IConsoleTracker } from "@jupyterlab/console";
import type { INotebookTracker, Notebook, NotebookPanel } from "@jupyterlab/notebook";
import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import type { Widget } from "@lumino/widgets";
import { signal } from "@preact/signals";
import type { FromKernel } from "../protocol/schema/lab";
import { KernelLink } from "./kernel-link";

/** A notebook or a console, as far as both are the same to the panel. */
export interface Document {
  widget: Widget;
  link: KernelLink;
  /** null for a console. */
  notebook: Notebook | null;
  rendermime: IRenderMimeRegistry;
  /** Put code into a cell of its own, ready to be read and run. */
  insert: (code: string) => void;
}

export class Documents {
  readonly all = signal<Document[]>([]);
  /** The document that has the focus, or had it last. */
  readonly current = signal<Document | null>(null);

  /** The paths of the documents that tabs belong to. */
  private readonly tabs = new WeakMap<Widget, string>();
  /** The widget that has the focus; a document is known some time after it has been opened. */
  private focused: Widget | null = null;

  constructor(
    app: JupyterFrontEnd,
    shell: ILabShell | null,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    private readonly hear: (message: FromKernel, document: Document) => void,
  ) {
    const follow = (widget: Widget | null) => this.follow(widget);
    this.watch(notebooks, (panel) => this.add(panel, ofNotebook(panel)));
    this.watch(consoles, (panel) => this.add(panel, ofConsole(panel)));
    if (shell) shell.currentChanged.connect((_, { newValue }) => follow(newValue));
    else {
      notebooks?.currentChanged.connect((_, panel) => follow(panel));
      consoles?.currentChanged.connect((_, panel) => follow(panel));
    }
    follow(app.shell.currentWidget);
  }

  /** The document at `path`, if it is open. */
  at(path: string): Document | undefined {
    return this.all.value.find(({ link }) => link.context.path === path);
  }

  /** Say that a tab belongs to the document at `path`: with its focus, that one is current. */
  own(tab: Widget, path: string): void {
    this.tabs.set(tab, path);
  }

  /** The document with the connection to a document's kernel: two may share a kernel. */
  speaker(document: Document): Document {
    const { kernelId, connected } = document.link;
    if (connected || kernelId === null) return document;
    const others = this.all.value.filter(({ link }) => link.kernelId === kernelId);
    return others.find(({ link }) => link.connected) ?? document;
  }

  private watch<T extends Widget>(tracker: IWidgetTracker<T> | null, add: (panel: T) => void) {
    tracker?.forEach(add);
    tracker?.widgetAdded.connect((_, panel) => add(panel));
  }

  private add(
    widget: Widget & { sessionContext: ISessionContext },
    parts: Omit<Document, "widget" | "link">,
  ): void {
    const link = new KernelLink(widget.sessionContext, (message) => this.hear(message, document));
    const document: Document = { widget, link, ...parts };
    this.all.value = [...this.all.value, document];
    if (!this.current.value || this.focused === widget) this.current.value = document;
    widget.disposed.connect(() => {
      link.dispose();
      this.all.value = this.all.value.filter((other) => other !== document);
      if (this.current.value === document) this.current.value = this.all.value.at(-1) ?? null;
    });
  }

  /** Make the document current that `widget` is or belongs to; other widgets change nothing. */
  private follow(widget: Widget | null): void {
    this.focused = widget;
    const path = widget && this.tabs.get(widget);
    const document = path ? this.at(path) : this.all.value.find((other) => other.widget === widget);
    if (document) this.current.value = document;
  }
}

function ofNotebook({ content }: NotebookPanel): Omit<Document, "widget" | "link"> {
  return {
    notebook: content,
    rendermime: content.rendermime,
    insert: (code) => {
      const active = content.activeCell?.model;
      if (active?.type === "code" && !active.sharedModel.getSource().trim()) {
        active.sharedModel.setSource(code);
      } else {
        const index = content.activeCellIndex + 1;
        content.model?.sharedModel.insertCell(index, { cell_type: "code", source: code });
        content.activeCellIndex = index;
      }
      void content.scrollToItem(content.activeCellIndex, "smart");
    },
  };
}

function ofConsole({ console }: ConsolePanel): Omit<Document, "widget" | "link"> {
  return {
    notebook: null,
    rendermime: console.rendermime,
    insert: (code) => console.promptCell?.model.sharedModel.setSource(code),
  };
}
