/** The kernel's object as the view sees it: traits as signals, typed messages, one lifetime. */
import { batch, type Signal, signal } from "@preact/signals";

/** What anywidget hands to a view. */
export interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
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
  model.on("change", update);
  lifetime.addEventListener("abort", () => model.off("change", update));
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
