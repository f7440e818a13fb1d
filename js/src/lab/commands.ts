/** The extension's commands; its menus and shortcuts are in `js/schema/plugin.json`. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { type ICommandPalette, InputDialog, Notification } from "@jupyterlab/apputils";
import type { ILauncher } from "@jupyterlab/launcher";
import type { TranslationBundle } from "@jupyterlab/translation";
import { EXPLORE_MODEL } from "./code";
import type { Documents } from "./documents";
import type { Files } from "./files";
import { neuronIcon } from "./icons";
import { openNotebook, openWorkshop } from "./notebooks";
import { PANEL } from "./sidebar";
import { modelIn, OPEN, type ViewArguments } from "./views";
import { WORKSHOP } from "./workshop";

export interface Parts {
  app: JupyterFrontEnd;
  documents: Documents;
  files: Files;
  /** Open a widget in a tab. */
  open: (about: ViewArguments) => void;
  palette: ICommandPalette | null;
  launcher: ILauncher | null;
  trans: TranslationBundle;
}

export function addCommands({ app, documents, files, open, palette, launcher, trans }: Parts) {
  const category = trans.__("Neurons");
  const folderOf = (args: Record<string, unknown>) =>
    typeof args.cwd === "string" ? args.cwd : files.folder;
  /** Tell the user what went wrong, in the error's own sentence. */
  const told = (work: Promise<unknown>) =>
    work.catch((error) => {
      Notification.error(error instanceof Error ? error.message : String(error));
    });

  app.commands.addCommand("neuronwidgets:workshop", {
    label: ({ name }) => WORKSHOP.find((one) => one.name === name)?.title ?? trans.__("Workshop"),
    caption: trans.__(
      "Open this notebook of the workshop, copied into this folder if it is not here",
    ),
    icon: neuronIcon,
    execute: (args) => told(openWorkshop(app, folderOf(args), String(args.name))),
  });
  app.commands.addCommand("neuronwidgets:explore-model", {
    label: trans.__("Explore a Model"),
    caption: trans.__("Open a new notebook that captures a layer and shows one of its neurons"),
    icon: neuronIcon,
    execute: (args) => told(openNotebook(app, folderOf(args), EXPLORE_MODEL)),
  });
  app.commands.addCommand("neuronwidgets:open-capture", {
    label: trans.__("Open a Capture…"),
    caption: trans.__("Explore activations that capture(..., out=folder) wrote"),
    icon: neuronIcon,
    execute: async (args) => {
      const { value } = await InputDialog.getText({
        title: trans.__("Open a capture"),
        label: trans.__("Folder of the capture: absolute, or from the server's root"),
        placeholder: trans.__("captures/layer4"),
        okLabel: trans.__("Explore"),
      });
      const path = value?.trim();
      if (path) await told(files.exploreNamed(path, folderOf(args)));
    },
  });
  app.commands.addCommand("neuronwidgets:show-panel", {
    label: trans.__("Show What This Kernel Holds"),
    execute: () => app.shell.activateById(PANEL),
  });
  app.commands.addCommand(OPEN, {
    label: trans.__("Open a Widget in a Tab"),
    execute: (args) => open(args as unknown as ViewArguments),
  });
  const shown = () => {
    const { current } = documents;
    const id = modelIn(current.value?.notebook?.activeCell?.model.outputs);
    return current.value && id ? { path: current.value.link.context.path, id } : null;
  };
  app.commands.addCommand("neuronwidgets:open-current", {
    label: trans.__("Open the Cell's Widget in a Tab"),
    icon: neuronIcon,
    isEnabled: () => shown() !== null,
    execute: () => {
      const about = shown();
      if (!about) return;
      const document = documents.at(about.path);
      const held = document && documents.speaker(document).link.held.value;
      const known = held?.widgets.find(({ id }) => id === about.id);
      open({ ...about, title: known?.title ?? trans.__("Widget") });
    },
  });
  const selected = (args: Record<string, unknown>) =>
    typeof args.path === "string" ? args.path : files.selected;
  for (const [run, capture, concepts] of [
    ["preview", trans.__("Preview Capture…"), trans.__("Preview Concepts…")],
    ["explore", trans.__("Explore Capture"), trans.__("Load Concepts")],
  ] as const) {
    app.commands.addCommand(`neuronwidgets:${run}-path`, {
      label: (args) => (args.concepts ? concepts : capture),
      icon: neuronIcon,
      isEnabled: (args) => selected(args) !== null,
      execute: (args) => {
        const path = selected(args);
        return path === null ? undefined : told(files[run](path));
      },
    });
  }

  for (const { name } of WORKSHOP) {
    palette?.addItem({ command: "neuronwidgets:workshop", category, args: { name } });
  }
  for (const command of ["explore-model", "open-capture", "show-panel", "open-current"]) {
    palette?.addItem({ command: `neuronwidgets:${command}`, category });
  }
  const cards: [string, object][] = [
    ...WORKSHOP.map(({ name }): [string, object] => ["neuronwidgets:workshop", { name }]),
    ["neuronwidgets:explore-model", {}],
    ["neuronwidgets:open-capture", {}],
  ];
  cards.forEach(([command, args], rank) => {
    launcher?.add({ command, args, category, rank });
  });
}
