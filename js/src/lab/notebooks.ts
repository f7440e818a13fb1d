/** Notebooks that the extension opens: the workshop's, and new ones with their code filled in. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { PageConfig, PathExt, URLExt } from "@jupyterlab/coreutils";
import type { FileModel } from "@jupyterlab/services";
import { notebookOf } from "./code";

/** Open a new notebook in `folder` whose only cell has `code`. */
export async function openNotebook(
  app: JupyterFrontEnd,
  folder: string,
  code: string,
): Promise<unknown> {
  const { contents } = app.serviceManager;
  const { path } = await contents.newUntitled({ path: folder, type: "notebook" });
  await save(app, path, notebookOf(code, await kernelspec(app)));
  return app.commands.execute("docmanager:open", { path, factory: "Notebook" });
}

/**
 * Open the workshop notebook `name` in `folder`: the file that is there, or else a copy.
 *
 * @throws Error if the notebook is missing from the installation.
 */
export async function openWorkshop(
  app: JupyterFrontEnd,
  folder: string,
  name: string,
): Promise<unknown> {
  const path = PathExt.join(folder, name);
  const listing = await app.serviceManager.contents.get(folder);
  const names = (listing.content as FileModel[]).map((file) => file.name);
  if (!names.includes(name)) {
    const url = URLExt.join(
      PageConfig.getOption("fullLabextensionsUrl"),
      "neuronwidgets/static/notebooks",
      name,
    );
    const answer = await fetch(url);
    if (!answer.ok) {
      throw new Error(`${name} is missing from this installation: reinstall neuronwidgets.`);
    }
    await save(app, path, await answer.json());
  }
  return app.commands.execute("docmanager:open", { path, factory: "Notebook" });
}

const save = (app: JupyterFrontEnd, path: string, content: object) =>
  app.serviceManager.contents.save(path, { type: "notebook", format: "json", content });

/** The server's default kernel if it is one of Python, else the first that is. */
async function kernelspec(app: JupyterFrontEnd) {
  const manager = app.serviceManager.kernelspecs;
  await manager.ready;
  const specs = manager.specs;
  const all = Object.values(specs?.kernelspecs ?? {}).filter((spec) => spec?.language === "python");
  const spec = all.find((one) => one?.name === specs?.default) ?? all[0];
  if (!spec) return null;
  const { name, display_name, language } = spec;
  return { name, display_name, language };
}
