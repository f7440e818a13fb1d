/**
 * What this extension uses of JupyterLab's packages, declared by hand.
 *
 * The packages come from the page at run time (`js/lab.js`), so they are no dependency of the
 * build. These are parts of the public interfaces of JupyterLab 4.2 to 4.6 and Lumino 2.
 */

declare module "@lumino/signaling" {
  export interface ISignal<S, A> {
    connect(slot: (sender: S, args: A) => void, self?: unknown): boolean;
    disconnect(slot: (sender: S, args: A) => void, self?: unknown): boolean;
  }
}

declare module "@lumino/coreutils" {
  /** The name of a service, by which plugins find it. */
  export class Token<T> {
    constructor(name: string);
    readonly name: string;
    private readonly _structural: T;
  }
}

declare module "@lumino/widgets" {
  import type { ISignal } from "@lumino/signaling";
  export class Widget {
    constructor(options?: { node?: HTMLElement });
    readonly node: HTMLElement;
    readonly disposed: ISignal<this, void>;
    readonly isDisposed: boolean;
    readonly isAttached: boolean;
    readonly isVisible: boolean;
    readonly title: { label: string; caption: string; icon: unknown; closable: boolean };
    readonly parent: Widget | null;
    id: string;
    contains(widget: Widget): boolean;
    addClass(name: string): void;
    dispose(): void;
    close(): void;
    update(): void;
    static attach(widget: Widget, host: HTMLElement): void;
  }
  export class Panel extends Widget {
    addWidget(widget: Widget): void;
    readonly widgets: readonly Widget[];
  }
  export class SplitPanel extends Panel {
    relativeSizes(): number[];
    setRelativeSizes(sizes: number[]): void;
  }
}

declare module "@jupyterlab/services" {
  import type { ISignal } from "@lumino/signaling";
  export interface Message {
    header: { msg_type: string };
    content: Record<string, unknown>;
  }
  export interface Comm {
    open(data: object): unknown;
    send(data: object): unknown;
    close(): unknown;
    dispose(): void;
    onMsg: (message: Message) => void;
    onClose: (message: Message) => void;
  }
  export interface Kernel {
    readonly id: string;
    readonly name: string;
    readonly status: string;
    readonly handleComms: boolean;
    readonly iopubMessage: ISignal<Kernel, Message>;
    requestCommInfo(content: { target_name: string }): Promise<{
      content: { status: string; comms?: Record<string, { target_name: string }> };
    }>;
    createComm(target: string): Comm;
  }
  export interface FileModel {
    name: string;
    path: string;
    type: string;
    content: unknown;
    size?: number | null;
  }
  export interface Contents {
    get(path: string, options?: object): Promise<FileModel>;
    save(path: string, options: object): Promise<FileModel>;
    newUntitled(options: { path?: string; type: string }): Promise<FileModel>;
    getDownloadUrl(path: string): Promise<string>;
  }
  export interface ServiceManager {
    contents: Contents;
    kernelspecs: {
      ready: Promise<void>;
      specs: {
        default: string;
        kernelspecs: Record<
          string,
          { name: string; display_name: string; language: string } | undefined
        >;
      } | null;
    };
  }
}

declare module "@jupyterlab/coreutils" {
  export const PageConfig: { getOption(name: string): string };
  export const PathExt: {
    basename(path: string): string;
    dirname(path: string): string;
    extname(path: string): string;
    join(...paths: string[]): string;
    relative(from: string, to: string): string;
  };
  export const URLExt: { join(...parts: string[]): string };
}

declare module "@jupyterlab/translation" {
  import type { Token } from "@lumino/coreutils";
  /** Translated strings; `%1` and so on stand for the arguments. */
  export interface TranslationBundle {
    __(text: string, ...args: unknown[]): string;
    _n(singular: string, plural: string, count: number, ...args: unknown[]): string;
  }
  export interface ITranslator {
    load(domain: string): TranslationBundle;
  }
  export const ITranslator: Token<ITranslator>;
  export const nullTranslator: ITranslator;
}

declare module "@jupyterlab/ui-components" {
  export class LabIcon {
    constructor(options: { name: string; svgstr: string });
    readonly name: string;
    readonly svgstr: string;
  }
  export const addIcon: LabIcon;
  export const copyIcon: LabIcon;
  export const launchIcon: LabIcon;
  export const stopIcon: LabIcon;
}

declare module "@jupyterlab/settingregistry" {
  import type { Token } from "@lumino/coreutils";
  import type { ISignal } from "@lumino/signaling";
  export interface Settings {
    readonly composite: Record<string, unknown>;
    readonly changed: ISignal<Settings, void>;
  }
  export interface ISettingRegistry {
    load(plugin: string): Promise<Settings>;
  }
  export const ISettingRegistry: Token<ISettingRegistry>;
}

declare module "@jupyterlab/application" {
  import type { ServiceManager } from "@jupyterlab/services";
  import type { Token } from "@lumino/coreutils";
  import type { ISignal } from "@lumino/signaling";
  import type { Widget } from "@lumino/widgets";

  type Arguments = Record<string, unknown>;
  interface CommandOptions {
    label: string | ((args: Arguments) => string);
    caption?: string | ((args: Arguments) => string);
    icon?: unknown;
    execute: (args: Arguments) => unknown;
    isEnabled?: (args: Arguments) => boolean;
    isVisible?: (args: Arguments) => boolean;
  }
  export interface JupyterFrontEnd {
    readonly name: string;
    readonly restored: Promise<unknown>;
    readonly serviceManager: ServiceManager;
    readonly commands: {
      addCommand(id: string, options: CommandOptions): void;
      execute(id: string, args?: object): Promise<unknown>;
      hasCommand(id: string): boolean;
    };
    readonly docRegistry: { addFileType(options: object): void };
    readonly shell: {
      add(widget: Widget, area?: string, options?: object): void;
      activateById(id: string): void;
      readonly currentWidget: Widget | null;
      readonly currentChanged?: ISignal<unknown, unknown>;
    };
  }
  export interface JupyterFrontEndPlugin {
    id: string;
    description: string;
    autoStart: boolean;
    requires?: Token<unknown>[];
    optional?: Token<unknown>[];
    activate: (app: JupyterFrontEnd, ...services: never[]) => void;
  }
  /** JupyterLab's own shell; Notebook 7 has another. */
  export interface ILabShell {
    readonly currentChanged: ISignal<ILabShell, { newValue: Widget | null }>;
  }
  export const ILabShell: Token<ILabShell>;
  export interface ILayoutRestorer {
    add(widget: Widget, name: string): void;
    restore<T extends Widget>(
      tracker: import("@jupyterlab/apputils").WidgetTracker<T>,
      options: { command: string; args: (widget: T) => object; name: (widget: T) => string },
    ): Promise<unknown>;
  }
  export const ILayoutRestorer: Token<ILayoutRestorer>;
}

declare module "@jupyterlab/apputils" {
  import type { Kernel } from "@jupyterlab/services";
  import type { Token } from "@lumino/coreutils";
  import type { ISignal } from "@lumino/signaling";
  import { Widget } from "@lumino/widgets";
  export interface ISessionContext {
    readonly ready: Promise<void>;
    readonly isDisposed: boolean;
    readonly path: string;
    readonly session: { readonly kernel: Kernel | null } | null;
    readonly kernelChanged: ISignal<ISessionContext, unknown>;
    readonly statusChanged: ISignal<ISessionContext, string>;
    readonly disposed: ISignal<ISessionContext, void>;
  }
  export interface IWidgetTracker<T extends Widget> {
    readonly currentWidget: T | null;
    readonly currentChanged: ISignal<unknown, T | null>;
    readonly widgetAdded: ISignal<unknown, T>;
    find(test: (widget: T) => boolean): T | undefined;
    forEach(visit: (widget: T) => void): void;
    has(widget: Widget): boolean;
  }
  export class WidgetTracker<T extends Widget> implements IWidgetTracker<T> {
    constructor(options: { namespace: string });
    readonly currentWidget: T | null;
    readonly currentChanged: ISignal<unknown, T | null>;
    readonly widgetAdded: ISignal<unknown, T>;
    find(test: (widget: T) => boolean): T | undefined;
    forEach(visit: (widget: T) => void): void;
    has(widget: Widget): boolean;
    add(widget: T): Promise<void>;
    save(widget: T): Promise<void>;
  }
  export class MainAreaWidget<T extends Widget> extends Widget {
    constructor(options: { content: T });
    readonly content: T;
  }
  export interface ICommandPalette {
    addItem(item: { command: string; category: string; args?: object }): unknown;
  }
  export const ICommandPalette: Token<ICommandPalette>;
  export interface Button {
    label: string;
    accept: boolean;
  }
  export const Dialog: {
    okButton(options?: { label?: string }): Button;
    warnButton(options?: { label?: string }): Button;
    cancelButton(options?: { label?: string }): Button;
  };
  export function showDialog(options: {
    title: string;
    body: string | Widget;
    buttons: Button[];
  }): Promise<{ button: Button }>;
  export const InputDialog: {
    getText(options: {
      title: string;
      label?: string;
      placeholder?: string;
      okLabel?: string;
    }): Promise<{ value: string | null; button: Button }>;
  };
  export const Notification: {
    error(message: string, options?: object): string;
    warning(message: string, options?: object): string;
  };
}

declare module "@jupyterlab/launcher" {
  import type { Token } from "@lumino/coreutils";
  export interface ILauncher {
    add(item: { command: string; category: string; rank?: number; args?: object }): unknown;
  }
  export const ILauncher: Token<ILauncher>;
}

declare module "@jupyterlab/rendermime" {
  import type { Token } from "@lumino/coreutils";
  import type { Widget } from "@lumino/widgets";

  interface Renderer extends Widget {
    renderModel(model: unknown): Promise<void>;
  }
  export interface IRenderMimeRegistry {
    getFactory(mimeType: string): unknown;
    createRenderer(mimeType: string): Renderer;
    createModel(options: { data: Record<string, unknown>; trusted?: boolean }): unknown;
  }
  export const IRenderMimeRegistry: Token<IRenderMimeRegistry>;
}

declare module "@jupyterlab/notebook" {
  import type { ISessionContext, IWidgetTracker } from "@jupyterlab/apputils";
  import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
  import type { Token } from "@lumino/coreutils";
  import type { Widget } from "@lumino/widgets";
  export interface CellModel {
    readonly id: string;
    readonly type: string;
    readonly sharedModel: { getSource(): string; setSource(text: string): void };
    /** Of code cells. */
    readonly outputs?: {
      readonly length: number;
      get(index: number): { readonly data: Record<string, unknown> };
    };
  }
  export interface Notebook extends Widget {
    activeCellIndex: number;
    mode: "command" | "edit";
    readonly activeCell: { readonly model: CellModel } | null;
    readonly widgets: readonly { readonly model: CellModel }[];
    readonly rendermime: IRenderMimeRegistry;
    readonly model: {
      getMetadata(name: string): unknown;
      readonly sharedModel: {
        insertCell(index: number, cell: { cell_type: string; source: string }): unknown;
      };
    } | null;
    scrollToItem(index: number, align?: string): Promise<void>;
  }
  export interface NotebookPanel extends Widget {
    readonly content: Notebook;
    readonly sessionContext: ISessionContext;
    readonly context: { readonly path: string; readonly ready: Promise<void> };
  }
  export interface INotebookTracker extends IWidgetTracker<NotebookPanel> {}
  export const INotebookTracker: Token<INotebookTracker>;
}

declare module "@jupyterlab/console" {
  import type { ISessionContext, IWidgetTracker } from "@jupyterlab/apputils";
  import type { CellModel } from "@jupyterlab/notebook";
  import type { IRenderMimeRegistry } from "@jupyterlab/rendermime";
  import type { Token } from "@lumino/coreutils";
  import type { Widget } from "@lumino/widgets";
  export interface ConsolePanel extends Widget {
    readonly console: {
      readonly rendermime: IRenderMimeRegistry;
      readonly promptCell: { readonly model: CellModel } | null;
    };
    readonly sessionContext: ISessionContext;
  }
  export interface IConsoleTracker extends IWidgetTracker<ConsolePanel> {}
  export const IConsoleTracker: Token<IConsoleTracker>;
}

declare module "@jupyterlab/filebrowser" {
  import type { FileModel } from "@jupyterlab/services";
  import type { Token } from "@lumino/coreutils";
  export interface IDefaultFileBrowser {
    readonly model: { readonly path: string };
    selectedItems(): IterableIterator<FileModel>;
  }
  export const IDefaultFileBrowser: Token<IDefaultFileBrowser>;
}
