/** The concept graph: what the kernel has found, and what the user asks of it. */
import { computed, signal } from "@preact/signals";
import { embed } from "../../model/embedded";
import type { Host, Model, Trait } from "../../model/model";
import { readGraph } from "../../protocol/graph";
import type {
  GraphClose,
  GraphFollow,
  GraphOpen,
  GraphSplit,
  SplitExplorerTraits,
} from "../../protocol/schema";

type Bound = <Name extends keyof SplitExplorerTraits & string>(
  name: Name,
) => Trait<SplitExplorerTraits[Name]>;

export function graphOf(
  trait: Bound,
  request: (message: GraphOpen | GraphFollow | GraphSplit | GraphClose) => void,
  model: Model,
  host: Host | undefined,
) {
  const bytes = trait("_graph");
  const below = trait("_below");
  const reference = trait("_node_split");
  const chosen = trait("_split_node");
  const message = computed(() => readGraph(bytes.value ?? null));
  /** The graph that the user has closed on a page without a kernel. */
  const closed = signal<DataView | null>(null);
  const graph = computed(() => (closed.value === bytes.value ? null : message.value));
  /** The concept whose graph was asked for last: its tree node. */
  const asked = signal<number | null>(null);
  return {
    graph,
    asked,
    /** Whose graph is known, also where it was closed: the concept's tree node. */
    known: computed(() => message.value?.root ?? null),
    /** The layer that feeds the one on the screen; empty: none can. */
    below: computed(() => below.value ?? ""),
    /** The explorer of a node, and which node that is; null: none is open. */
    opened: computed(() =>
      reference.value && chosen.value !== null && graph.value
        ? { reference: reference.value, node: chosen.value }
        : null,
    ),
    open(node: number) {
      asked.value = node;
      if (message.value?.root === node) closed.value = null;
      else request({ type: "graph.open", node });
    },
    follow(node: number) {
      request({ type: "graph.follow", node });
    },
    split(node: number | null) {
      request({ type: "graph.split", node });
    },
    close(gone: boolean) {
      asked.value = null;
      closed.value = bytes.value;
      if (!gone) request({ type: "graph.close" });
    },
    embed: (name: string, box: HTMLElement, shown: AbortSignal) =>
      embed(model, host, name, box, shown),
  };
}
