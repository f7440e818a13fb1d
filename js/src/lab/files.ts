/** Captures and concepts in the file browser: what they are, and a way to explore them. */
import type { JupyterFrontEnd } from "@jupyterlab/application";
import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";
import { PageConfig, PathExt } from "@jupyterlab/coreutils";
import type { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import type { TranslationBundle } from "@jupyterlab/translation";
import { Widget } from "@lumino/widgets";
import { exploreFolder, openConcepts } from "./code";
import type { Document, Documents } from "./documents";
import { neuronIcon, valuesIcon } from "./icons";
import { openNotebook } from "./notebooks";
import { read, type Saved } from "./saved";
import { countOf, sizeOf } from "./words";

/** Lines of a preview: a name and a value. */
function factsOf(saved: Saved, trans: TranslationBundle): [name: string, value: string][] {
  if (saved.kind === "capture") {
    const { layers, model, samples, dtype, complete } = saved;
    const many = layers.length > 1;
    return [
      [trans.__("Model"), model],
      [trans.__("Layers"), layers.map(({ name }) => name).join(", ")],
      [trans.__("Samples"), countOf(samples)],
      [
        trans.__("Neurons"),
        layers
          .filter(({ neurons }) => neurons !== null)
          .map(({ name, neurons }) => (many ? `${name}: ` : "") + countOf(neurons ?? 0))
          .join(", "),
      ],
      [trans.__("Size"), `${sizeOf(layers.reduce((sum, l) => sum + l.bytes, 0))}, ${dtype}`],
      [
        trans.__("Complete"),
        complete ? trans.__("yes") : trans.__("no; the same capture call continues it"),
      ],
    ].filter(([, value]) => value) as [string, string][];
  }
  const { layer, neuron, names, bytes } = saved;
  return [
    [trans.__("Layer"), layer ?? ""],
    [trans.__("Neuron"), neuron === null ? "" : String(neuron)],
    [trans.__("Concepts"), `${names.length}: ${names.join(", ")}`],
    [trans.__("Size"), sizeOf(bytes)],
  ].filter(([, value]) => value) as [string, string][];
}

function previewOf(saved: Saved, trans: TranslationBundle): Widget {
  const node = document.createElement("dl");
  node.className = "nw-lab-preview";
  for (const [name, value] of factsOf(saved, trans)) {
    node.appendChild(document.createElement("dt")).textContent = name;
    node.appendChild(document.createElement("dd")).textContent = value;
  }
  return new Widget({ node });
}

export class Files {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly documents: Documents,
    private readonly browser: IDefaultFileBrowser | null,
    private readonly trans: TranslationBundle,
  ) {
    app.docRegistry.addFileType({
      name: "neuronwidgets-values",
      displayName: trans.__("Safetensors"),
      extensions: [".safetensors"],
      mimeTypes: ["application/octet-stream"],
      contentType: "file",
      fileFormat: "base64",
      icon: valuesIcon,
    });
    // The file browser knows folders by their names only.
    app.docRegistry.addFileType({
      name: "neuronwidgets-activations",
      displayName: trans.__("Activations"),
      extensions: [".activations"],
      mimeTypes: ["text/directory"],
      contentType: "directory",
      icon: neuronIcon,
    });
  }

  /** The folder that is open in the file browser. */
  get folder(): string {
    return this.browser?.model.path ?? "";
  }

  /** The path of the selected file or folder; null without one. */
  get selected(): string | null {
    return this.browser?.selectedItems().next().value?.path ?? null;
  }

  async preview(path: string): Promise<void> {
    const { trans } = this;
    const saved = await read(this.app.serviceManager.contents, path);
    if (!saved) return this.isNothing(path);
    const explore = Dialog.okButton({ label: trans.__("Explore this") });
    const { button } = await showDialog({
      title: PathExt.basename(path),
      body: previewOf(saved, trans),
      buttons: [Dialog.cancelButton({ label: trans.__("Close") }), explore],
    });
    if (button.accept) this.open(path, saved);
  }

  /** Explore a capture or concepts: in the current kernel where it can, else in a new notebook. */
  async explore(path: string): Promise<void> {
    const saved = await read(this.app.serviceManager.contents, path);
    if (saved) this.open(path, saved);
    else this.isNothing(path);
  }

  /** Explore what a user has named: a path from the server's root, or an absolute one of a capture.
   *
   * The server shows no files outside its root, so only a kernel can look at an absolute path. */
  async exploreNamed(path: string, folder: string): Promise<void> {
    if (!/^(\/|[A-Za-z]:)/.test(path)) return this.explore(path.replace(/\/$/, ""));
    const { speaking } = this;
    if (speaking) speaking.link.send({ type: "path.explore", path });
    else await openNotebook(this.app, folder, exploreFolder(path));
  }

  /** The current document, or the one that shares its kernel, if it has a comm to it. */
  private get speaking(): Document | null {
    const { current } = this.documents;
    const document = current.value && this.documents.speaker(current.value);
    return document?.link.connected ? document : null;
  }

  private open(path: string, saved: Saved): void {
    const { speaking } = this;
    if (speaking) this.openIn(speaking, path, saved);
    else {
      const folder = PathExt.dirname(path);
      void openNotebook(this.app, folder, codeFor(saved, PathExt.basename(path)));
    }
  }

  private openIn(document: Document, path: string, saved: Saved): void {
    if (saved.kind === "capture") {
      const root = PageConfig.getOption("serverRoot");
      document.link.send({ type: "path.explore", path: root ? `${root}/${path}` : path });
    } else {
      // A kernel starts in the folder of its notebook.
      const folder = PathExt.dirname(document.link.context.path);
      document.insert(codeFor(saved, PathExt.relative(folder, path)));
    }
  }

  private isNothing(path: string): void {
    const name = PathExt.basename(path);
    Notification.warning(
      path.endsWith(".safetensors")
        ? this.trans.__("%1 has no JSON file beside it that describes concepts.", name)
        : this.trans.__("%1 is not the folder of a capture: it has no manifest.json of one.", name),
      { autoClose: 6000 },
    );
  }
}

function codeFor(saved: Saved, path: string): string {
  return saved.kind === "capture" ? exploreFolder(path) : openConcepts(saved.kind, path);
}
