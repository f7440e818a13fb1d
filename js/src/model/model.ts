/** The kernel's object as the view sees it: traits as signals, typed messages, one lifetime. */
import { batch, type Signal, signal } from "@preact/signals";

/** What anywidget hands to a view. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown, how?: { silent: boolean }): void;
  save_changes(): void;
  send(content: unknown): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
  /** Makes the views of other widgets; not every host has it. */
  widget_manager?: WidgetManager;
}

export interface WidgetManager {
  get_model(id: string): Promise<unknown>;
  /** marimo's manager has none. */
  create_view?(model: unknown): Promise<WidgetView>;
}

export interface WidgetView {
  el: HTMLElement;
  remove(): void;
}

/** How anywidget 0.11 and marimo show another widget; older hosts have none. */
export interface Host {
  getWidget(reference: string): Promise<{
    render(into: { el: HTMLElement; signal: AbortSignal }): Promise<void>;
  }>;
}

export interface Trait<T> {
  readonly value: T;
  /** Change it here and in the kernel. */
  set(value: T): void;
}

/**
 * Traits that change together reach the signals together. While `waits()`, only traits that the view
 * sets, and those bound with "always", reach them; `update` brings the rest.
 */
export function traitsOf<Traits>(
  model: Model,
  lifetime: AbortSignal,
  waits: () => boolean = () => false,
) {
  const bound = new Map<string, Signal<unknown>>();
  const free = new Set<string>();
  const serial = signal(model.get("_version"));
  bound.set("_version", serial);
  const update = () => {
    const waiting = waits();
    batch(() => {
      for (const [name, value] of bound)
        if (!waiting || free.has(name)) value.value = model.get(name);
    });
    seen();
  };
  // What jslink sets is sent with the version that is on the screen, too.
  const seen = () => {
    if (model.get("_view_version") !== serial.peek()) model.set("_view_version", serial.peek());
  };
  seen();
  const end = () => release(model, bound.keys());
  model.on("change", update);
  model.on("destroy", end);
  lifetime.addEventListener("abort", () => {
    model.off("change", update);
    model.off("destroy", end);
  });
  const trait = <Name extends keyof Traits & string>(
    name: Name,
    when?: "always",
  ): Trait<Traits[Name]> => {
    if (when) free.add(name);
    const value = signal(model.get(name) as Traits[Name]);
    bound.set(name, value as Signal<unknown>);
    return {
      get value() {
        return value.value;
      },
      set(next) {
        change(model, { [name]: next }, serial.peek());
        value.value = model.get(name) as Traits[Name];
      },
    };
  };
  return Object.assign(trait, { update });
}

const NOTHING = new DataView(new ArrayBuffer(0));

/**
 * Drop what is large of a closed widget's model. JupyterLab 4.4 keeps every model until the page is
 * connected to another kernel: a comm that is closed stays bound to the kernel's status.
 */
function release(model: Model, names: Iterable<string>): void {
  for (const name of names)
    if (model.get(name) instanceof DataView) model.set(name, NOTHING, { silent: true });
  // A model remembers what it was before the last call.
  model.set("_version", model.get("_version"), { silent: true });
}

/** Set traits that change together: one message, one repaint. */
export function change(
  model: Model,
  values: Record<string, unknown>,
  serial = model.get("_version"),
): void {
  batch(() => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    // With the version that was on the screen: the kernel may have a newer one.
    model.set("_view_version", serial);
  });
  save(model);
}

/** Without a kernel (a reopened notebook), the change stays on the page. */
export function save(model: Model): void {
  try {
    model.save_changes();
  } catch {
    /* no comm: the view's own state has changed already */
  }
}

/** At most one call per frame, the latest. */
export function perFrame<T>(lifetime: AbortSignal, act: (value: T) => void): (value: T) => void {
  let frame = 0;
  let latest: T;
  lifetime.addEventListener("abort", () => cancelAnimationFrame(frame));
  return (value) => {
    latest = value;
    if (frame) return;
    frame = requestAnimationFrame(() => {
      frame = 0;
      act(latest);
    });
  };
}
