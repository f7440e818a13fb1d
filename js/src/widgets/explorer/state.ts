/** Which neuron is looked at and how, the way back, and the widgets inside. */
import { effect } from "@preact/signals";
import { embed } from "../../model/embedded";
import { lit } from "../../model/lights";
import { type Host, type Model, traitsOf } from "../../model/model";
import { requestsOf } from "../../model/requests";
import type { ExplorerRequest, ExplorerTab, ExplorerTraits } from "../../protocol/schema";

export type State = ReturnType<typeof createState>;

export const TABS: readonly { tab: ExplorerTab; title: string; about: string }[] = [
  { tab: "split", title: "Concepts", about: "its top samples, split into concepts" },
  { tab: "ranges", title: "Ranges", about: "where on its activation each label lies" },
  { tab: "probe", title: "Probe", about: "what it does on a text or image of yours" },
];

export function createState(model: Model, lifetime: AbortSignal, host?: Host) {
  const trait = traitsOf<ExplorerTraits>(model, lifetime);
  const neuron = trait("neuron");
  const tab = trait("tab");
  const state = trait("state");
  const layer = trait("layer");
  const reason = trait("_reason");
  const given = trait("_given");
  const missing = trait("_missing");
  const back = trait("_back");
  const forward = trait("_forward");
  const status = trait("status", "always");
  const browser = trait("_browser");
  const lower = trait("_lower");
  const lowerOf = trait("_lower_of");
  const inside = { split: trait("_split"), ranges: trait("_ranges"), probe: trait("_probe") };
  const requests = requestsOf<ExplorerRequest>(model, status, lifetime);

  const links = lit(model, lifetime);
  const inPage = () =>
    [browser, lower, ...Object.values(inside)].map((reference) => reference.value);
  lifetime.addEventListener(
    "abort",
    effect(() => links.between(inPage())),
  );

  return {
    neuron,
    tab,
    layer,
    reason,
    missing,
    back,
    forward,
    browser,
    lower,
    /** Which neuron of a layer below is shown in place of the split, in words; empty: none. */
    lowerOf,
    closeLower: () => requests.request({ type: "lower.close" }),
    widgetOf: (of: ExplorerTab) => inside[of].value,
    ...requests,
    embed: (reference: string, box: HTMLElement, shown: AbortSignal) =>
      embed(model, host, reference, box, shown),
    address: () => state.value,
    code: () => `nw.explore(${given.value}, state=${JSON.stringify(state.value)})`,
    step: (steps: number) => requests.request({ type: "history.step", steps }),
  };
}
