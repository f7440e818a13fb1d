/** Another widget of the same kernel, shown inside of ours. */
import type { Model, WidgetView } from "./model";

/** The view of the widget that a reference ("IPY_MODEL_...") names; null where there is no host. */
export async function viewOf(model: Model, reference: string): Promise<WidgetView | null> {
  const manager = model.widget_manager;
  if (!manager) return null;
  return manager.create_view(await manager.get_model(reference.replace(/^IPY_MODEL_/, "")));
}
