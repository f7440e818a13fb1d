/** The JupyterLab extension: launcher cards, commands, a panel, and widgets in tabs. */
import {
  ILabShell,
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin,
} from "@jupyterlab/application";
import { ICommandPalette, Notification } from "@jupyterlab/apputils";
import { IConsoleTracker } from "@jupyterlab/console";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import { ILauncher } from "@jupyterlab/launcher";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IRenderMimeRegistry } from "@jupyterlab/rendermime";
import { ISettingRegistry } from "@jupyterlab/settingregistry";
import { ITranslator, nullTranslator } from "@jupyterlab/translation";
import { Token } from "@lumino/coreutils";
import { addCommands } from "./commands";
import { Documents } from "./documents";
import { Files } from "./files";
import "./panel.css";
import { follow, PLUGIN, type Settings } from "./settings";
import { Sidebar } from "./sidebar";
import { type ViewArguments, Views } from "./views";

/** A service of a package that the page may not have: then nobody provides it, and it is null. */
const some = <T>(token: Token<T> | undefined, name: string) => token ?? new Token<T>(name);

async function activate(
  app: JupyterFrontEnd,
  shell: ILabShell | null,
  restorer: ILayoutRestorer | null,
  palette: ICommandPalette | null,
  launcher: ILauncher | null,
  notebooks: INotebookTracker | null,
  consoles: IConsoleTracker | null,
  browser: IDefaultFileBrowser | null,
  rendermime: IRenderMimeRegistry | null,
  registry: ISettingRegistry | null,
  translator: ITranslator | null,
): Promise<void> {
  const trans = (translator ?? nullTranslator).load("neuronwidgets");

  let settings!: Settings;
  const known = follow(registry, (now) => {
    settings = now;
  });
  const open = (about: ViewArguments) => views.open(about, settings.openAt);
  const documents = new Documents(app, shell, notebooks, consoles, (message, { link }) => {
    if (message.type === "widget.opened") {
      open({ path: link.context.path, id: message.id, title: message.title });
    } else if (message.type === "request.failed") Notification.error(message.text);
  });
  const views = new Views(app, documents, rendermime, restorer, shell !== null, trans);
  const files = new Files(app, documents, browser, trans);
  addCommands({ app, documents, files, open, palette, launcher, trans });

  await known;
  const sidebar = new Sidebar(app, documents, open, () => settings, trans);
  app.shell.add(sidebar, settings.side, { rank: 900 });
  restorer?.add(sidebar, sidebar.id);
}

const plugin: JupyterFrontEndPlugin = {
  id: PLUGIN,
  description: "Shows what kernels hold of neuronwidgets, and its widgets in tabs.",
  autoStart: true,
  optional: [
    some(ILabShell, "@jupyterlab/application:ILabShell"),
    some(ILayoutRestorer, "@jupyterlab/application:ILayoutRestorer"),
    some(ICommandPalette, "@jupyterlab/apputils:ICommandPalette"),
    some(ILauncher, "@jupyterlab/launcher:ILauncher"),
    some(INotebookTracker, "@jupyterlab/notebook:INotebookTracker"),
    some(IConsoleTracker, "@jupyterlab/console:IConsoleTracker"),
    some(IDefaultFileBrowser, "@jupyterlab/filebrowser:IDefaultFileBrowser"),
    some(IRenderMimeRegistry, "@jupyterlab/rendermime:IRenderMimeRegistry"),
    some(ISettingRegistry, "@jupyterlab/settingregistry:ISettingRegistry"),
    some(ITranslator, "@jupyterlab/translation:ITranslator"),
  ] as Token<unknown>[],
  activate: activate as unknown as JupyterFrontEndPlugin["activate"],
};

export default [plugin];
