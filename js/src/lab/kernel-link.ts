/** The page's connection to what one kernel holds of neuronwidgets. */
import type { ISessionContext } from "@jupyterlab/apputils";
import type { Comm, Kernel, Message } from "@jupyterlab/services";
import { signal } from "@preact/signals";
import type { FromKernel, FromPage, KernelState } from "../protocol/schema/lab";

export const TARGET = "neuronwidgets.lab";
/** Statuses after which everything that the kernel held is gone. */
const GONE = new Set(["restarting", "autorestarting", "terminating", "dead"]);

/**
 * One comm to the kernel of a notebook or console, opened once the kernel lists the target.
 *
 * To open a comm on a target that a kernel does not know writes an error to its log, so the page
 * first asks which comms there are, which every kernel answers without a trace. It asks when it
 * meets a kernel, and after a cell has run: only then can the answer have changed.
 */
export class KernelLink {
  /** What the kernel holds; null while it is not known to hold anything. */
  readonly held = signal<KernelState | null>(null);
  private kernel: Kernel | null = null;
  private comm: Comm | null = null;
  /** Whether the kernel may have imported the package since it was last asked. */
  private due = false;

  constructor(
    readonly context: ISessionContext,
    private readonly hear: (message: FromKernel, link: KernelLink) => void,
  ) {
    context.kernelChanged.connect(this.follow, this);
    context.statusChanged.connect(this.onStatus, this);
    this.follow();
  }

  /** The id of the kernel that it follows. */
  get kernelId(): string | null {
    return this.kernel?.id ?? null;
  }

  get connected(): boolean {
    return this.comm !== null;
  }

  send(message: FromPage): void {
    this.comm?.send(message);
  }

  dispose(): void {
    this.context.kernelChanged.disconnect(this.follow, this);
    this.context.statusChanged.disconnect(this.onStatus, this);
    this.kernel?.iopubMessage.disconnect(this.onOutput, this);
    const { comm } = this;
    this.forget();
    this.kernel = null;
    // The kernel keeps a thread for each comm that is open.
    comm?.close();
  }

  private follow(): void {
    const kernel = this.context.session?.kernel ?? null;
    if (kernel === this.kernel) return;
    this.kernel?.iopubMessage.disconnect(this.onOutput, this);
    this.forget();
    this.kernel = kernel;
    kernel?.iopubMessage.connect(this.onOutput, this);
    this.due = true;
    if (kernel?.status === "idle") void this.ask();
  }

  private onStatus(_: unknown, status: string): void {
    if (GONE.has(status)) {
      this.forget();
      this.due = true;
    } else if (status === "idle" && this.due) void this.ask();
  }

  private onOutput(_: unknown, message: Message): void {
    if (message.header.msg_type === "execute_input") this.due = true;
  }

  private forget(): void {
    this.comm = null;
    this.held.value = null;
  }

  private async ask(): Promise<void> {
    this.due = false;
    const { kernel } = this;
    // Another connection of this page has the comms of a kernel that two documents share.
    if (!kernel?.handleComms || this.comm) return;
    const reply = await kernel.requestCommInfo({ target_name: TARGET }).catch(() => null);
    const known = Object.keys(reply?.content.comms ?? {}).length > 0;
    if (!known || this.comm || kernel !== this.kernel) return;
    const comm = kernel.createComm(TARGET);
    this.comm = comm;
    comm.onMsg = ({ content }) => {
      const message = content.data as FromKernel;
      if (message.type === "kernel.state") this.held.value = message;
      this.hear(message, this);
    };
    comm.onClose = () => {
      if (this.comm === comm) this.forget();
    };
    comm.open({});
  }
}
