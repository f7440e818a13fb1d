/** Another widget of the same kernel, shown inside of ours. */
import type { Host, Model } from "./model";

/**
 * Show the widget that a reference ("IPY_MODEL_...") names in `box`, until `shown` aborts. False
 * where the page cannot.
 */
export async function embed(
  model: Model,
  host: Host | undefined,
  reference: string,
  box: HTMLElement,
  shown: AbortSignal,
): Promise<boolean> {
  const id = reference.replace(/^IPY_MODEL_/, "");
  const manager = model.widget_manager;
  if (manager?.create_view) {
    const view = await manager.create_view(await manager.get_model(id));
    if (shown.aborted) view.remove();
    else box.append(view.el);
    shown.addEventListener("abort", () => view.remove());
    return true;
  }
  if (!host) return false;
  const widget = await host.getWidget(`anywidget:${id}`);
  if (!shown.aborted) await widget.render({ el: box, signal: shown });
  return true;
}
