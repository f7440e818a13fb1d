/** What the user may set; `js/schema/plugin.json` describes it and has the defaults. */
import type { ISettingRegistry } from "@jupyterlab/settingregistry";

export const PLUGIN = "neuronwidgets:plugin";

export interface Settings {
  side: "left" | "right";
  openAt: "split-right" | "split-bottom" | "tab-after";
  confirmStop: boolean;
}

const DEFAULTS: Settings = { side: "right", openAt: "split-right", confirmStop: false };

/** The settings now and, by `changed`, whenever the user changes them. */
export async function follow(
  registry: ISettingRegistry | null,
  changed: (settings: Settings) => void,
): Promise<void> {
  const loaded = await registry?.load(PLUGIN).catch(() => null);
  const read = () => changed({ ...DEFAULTS, ...(loaded?.composite as Partial<Settings>) });
  loaded?.changed.connect(read);
  read();
}
