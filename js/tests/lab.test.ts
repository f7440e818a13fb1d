/** The pure parts of the JupyterLab extension, and its connection to a kernel. */
import { readdirSync, readFileSync } from "node:fs";
import type { ISessionContext } from "@jupyterlab/apputils";
import { describe, expect, it } from "vitest";
import {
  conceptCode,
  EXPLORE_MODEL,
  exploreFolder,
  neuronCode,
  notebookOf,
  openConcepts,
} from "../src/lab/code";
import { KernelLink } from "../src/lab/kernel-link";
import { conceptsOf, manifestOf, neuronsOf } from "../src/lab/saved";
import { sizeOf } from "../src/lab/words";
import { WORKSHOP } from "../src/lab/workshop";
import type { FromKernel, KernelState } from "../src/protocol/schema/lab";

const NOTHING: KernelState = {
  type: "kernel.state",
  captures: [],
  widgets: [],
  stores: [],
  libraries: [],
};
const store = (variable: string | null, layer: string) => ({
  id: "1",
  variable,
  layer,
  samples: 3,
  neurons: 2,
  bytes: 24,
  disk: 0,
  path: null,
});
const repository = (path: string) => new URL(`../../${path}`, import.meta.url);

describe("code that is written into cells", () => {
  it("explores a neuron of the activations of its layer", () => {
    const held = { ...NOTHING, stores: [store("other", "fc1"), store("acts4", "relu2")] };
    expect(neuronCode(17, "relu2", held)).toBe("nw.SplitExplorer(acts4, neuron=17)");
    expect(neuronCode(17, "elsewhere", held)).toBe("nw.SplitExplorer(acts, neuron=17)");
  });

  it("quotes what a user has named", () => {
    expect(conceptCode("library", 'a "b" \\ c')).toBe('library["a \\"b\\" \\\\ c"]');
    expect(exploreFolder('caps/"x"')).toContain('nw.Activations.load("caps/\\"x\\"")');
    expect(openConcepts("library", "a.safetensors")).toContain("nw.Library.load(");
    expect(openConcepts("concepts", "a.safetensors")).toContain("nw.Concepts.load(");
  });

  it("is that of the README for a model", () => {
    expect(readFileSync(repository("README.md"), "utf8")).toContain(EXPLORE_MODEL);
  });

  it("makes a notebook that knows its kernel", () => {
    const spec = { name: "python3", display_name: "Python 3", language: "python" };
    const made = notebookOf("1 + 1", spec) as { metadata: object; cells: { source: string }[] };
    expect(made.metadata).toEqual({ kernelspec: spec });
    expect(made.cells.map(({ source }) => source)).toEqual(["1 + 1"]);
    expect(notebookOf("1 + 1", null)).toHaveProperty("metadata", {});
  });
});

it("has a card and a menu item for each notebook of the workshop", () => {
  const files = readdirSync(repository("notebooks")).filter((name) => name.endsWith(".ipynb"));
  expect(WORKSHOP.map(({ name }) => name)).toEqual(files.sort());
  const schema = readFileSync(repository("js/schema/plugin.json"), "utf8");
  for (const { name } of WORKSHOP) expect(schema).toContain(name);
});

it("has in its menus and shortcuts only commands that it adds", () => {
  const schema = readFileSync(repository("js/schema/plugin.json"), "utf8");
  const source = readFileSync(repository("js/src/lab/commands.ts"), "utf8");
  const used = [...schema.matchAll(/"neuronwidgets:([\w-]+)"/g)].map(([, name]) => name);
  expect(used.length).toBeGreaterThan(6);
  for (const name of used) {
    if (name === "neuron") continue; // the icon
    const stem = name.endsWith("-path") ? `["${name.replace("-path", "")}"` : `:${name}"`;
    expect(source).toContain(stem);
  }
});

it.each([
  [0, "0 bytes"],
  [999, "999 bytes"],
  [1000, "1 KB"],
  [14_400, "14.4 KB"],
  [999_499, "999 KB"],
  [999_600, "1 MB"],
  [9_830_400_000, "9.83 GB"],
  [2.5e15, "2500 TB"],
])("says the size of %d bytes", (bytes, words) => {
  expect(sizeOf(bytes)).toBe(words);
});

describe("what is saved in a file", () => {
  it("is a capture if its format is ours", () => {
    const manifest = { format: "neuronwidgets.activations/1", complete: true };
    expect(manifestOf(JSON.stringify(manifest))).toEqual(manifest);
    expect(manifestOf('{"name": "a web app", "start_url": "/"}')).toBeNull();
    expect(manifestOf("not JSON")).toBeNull();
    expect(manifestOf(null)).toBeNull();
  });

  it("is concepts of a neuron, or a library of them", () => {
    const one = { format: "neuronwidgets.concepts/1", layer: "relu", neuron: 3, names: ["a", "b"] };
    expect(conceptsOf(JSON.stringify(one), 10)).toEqual({
      kind: "concepts",
      layer: "relu",
      neuron: 3,
      names: ["a", "b"],
      bytes: 10,
    });
    const many = { format: "neuronwidgets.library/1", concepts: [{ name: "c" }] };
    expect(conceptsOf(JSON.stringify(many), 10)).toMatchObject({ kind: "library", names: ["c"] });
    expect(conceptsOf('{"format": "neuronwidgets.toy/1"}', 10)).toBeNull();
  });

  it("has as many neurons as the header of a shard says", () => {
    const header = new TextEncoder().encode('{"values":{"shape":[100,12]}}');
    const file = new Uint8Array(8 + header.length);
    new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
    file.set(header, 8);
    expect(neuronsOf(file)).toBe(12);
    expect(neuronsOf(file.subarray(0, 20))).toBeNull();
    expect(neuronsOf(file.subarray(0, 4))).toBeNull();
  });
});

/** A signal of Lumino's, as far as the link uses it. */
class Signal {
  private slots: [(sender: unknown, args: unknown) => void, unknown][] = [];
  connect(slot: (sender: unknown, args: unknown) => void, self: unknown) {
    this.slots.push([slot, self]);
    return true;
  }
  disconnect(slot: (sender: unknown, args: unknown) => void, self: unknown) {
    this.slots = this.slots.filter(([other, owner]) => other !== slot || owner !== self);
    return true;
  }
  emit(args: unknown) {
    for (const [slot, self] of [...this.slots]) slot.call(self, null, args);
  }
}

class FakeComm {
  sent: object[] = [];
  closed = false;
  onMsg = (_: unknown) => {};
  onClose = (_: unknown) => {};
  open() {}
  send(data: object) {
    this.sent.push(data);
  }
  close() {
    this.closed = true;
  }
  hear(data: FromKernel) {
    this.onMsg({ header: { msg_type: "comm_msg" }, content: { data } });
  }
}

class FakeKernel {
  status = "idle";
  handleComms = true;
  iopubMessage = new Signal();
  asked = 0;
  comms: FakeComm[] = [];
  constructor(
    readonly id: string,
    public imported: boolean,
  ) {}
  async requestCommInfo() {
    this.asked++;
    return { content: { status: "ok", comms: this.imported ? { beacon: {} } : {} } };
  }
  createComm() {
    this.comms.push(new FakeComm());
    return this.comms[this.comms.length - 1];
  }
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve));

describe("the link to a kernel", () => {
  function linked(kernel: FakeKernel) {
    const context = {
      session: { kernel },
      kernelChanged: new Signal(),
      statusChanged: new Signal(),
    };
    const heard: FromKernel[] = [];
    const link = new KernelLink(context as unknown as ISessionContext, (one) => heard.push(one));
    const run = () => {
      kernel.iopubMessage.emit({ header: { msg_type: "execute_input" }, content: {} });
      context.statusChanged.emit(null as never);
      context.statusChanged.emit("idle");
      return settled();
    };
    return { context, link, heard, run };
  }

  it("opens no comm to a kernel without the package, and asks once a cell", async () => {
    const kernel = new FakeKernel("1", false);
    const { context, link, run } = linked(kernel);
    await settled();
    context.statusChanged.emit("idle");
    await settled();
    expect(kernel.asked).toBe(1);
    await run();
    expect(kernel.asked).toBe(2);
    expect(kernel.comms).toEqual([]);
    expect(link.held.value).toBeNull();
  });

  it("opens one comm when a cell has imported the package", async () => {
    const kernel = new FakeKernel("1", false);
    const { link, heard, run } = linked(kernel);
    await settled();
    kernel.imported = true;
    await run();
    await run();
    expect(kernel.comms.length).toBe(1);
    kernel.comms[0].hear(NOTHING);
    expect(link.held.value).toEqual(NOTHING);
    kernel.comms[0].hear({ type: "request.failed", text: "no." });
    expect(heard.map(({ type }) => type)).toEqual(["kernel.state", "request.failed"]);
    link.send({ type: "capture.cancel", id: "7" });
    expect(kernel.comms[0].sent).toEqual([{ type: "capture.cancel", id: "7" }]);
  });

  it("forgets what the kernel held when it restarts", async () => {
    const kernel = new FakeKernel("1", true);
    const { context, link, run } = linked(kernel);
    await settled();
    kernel.comms[0].hear(NOTHING);
    kernel.imported = false;
    context.statusChanged.emit("restarting");
    expect(link.held.value).toBeNull();
    expect(link.connected).toBe(false);
    context.statusChanged.emit("idle");
    await settled();
    expect(kernel.comms.length).toBe(1);
    kernel.imported = true;
    await run();
    expect(kernel.comms.length).toBe(2);
    // A late message of the comm before the restart is that of another kernel.
    kernel.comms[0].onClose(null);
    expect(link.connected).toBe(true);
  });

  it("follows a document to another kernel", async () => {
    const [first, second] = [new FakeKernel("1", true), new FakeKernel("2", false)];
    const { context, link } = linked(first);
    await settled();
    first.comms[0].hear(NOTHING);
    context.session.kernel = second;
    context.kernelChanged.emit(null);
    await settled();
    expect(link.held.value).toBeNull();
    expect(link.kernelId).toBe("2");
    expect(second.comms).toEqual([]);
  });

  it("closes its comm when it is disposed, and listens no more", async () => {
    const kernel = new FakeKernel("1", true);
    const { link, run } = linked(kernel);
    await settled();
    link.dispose();
    expect(kernel.comms[0].closed).toBe(true);
    await run();
    expect(kernel.asked).toBe(1);
  });

  it("leaves a kernel alone whose comms another connection has", async () => {
    const kernel = new FakeKernel("1", true);
    kernel.handleComms = false;
    linked(kernel);
    await settled();
    expect(kernel.asked).toBe(0);
  });
});
