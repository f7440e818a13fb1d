/** What feeds a concept: the concepts of lower layers, in columns, and what their edges are worth. */
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { isolated } from "../../core/direction";
import { layoutOf, NODE, neighbourOf, shareOf } from "../../core/graph";
import { percent } from "../../core/scale";
import type { GraphMessage } from "../../protocol/graph";
import type { GraphEdge, GraphNode } from "../../protocol/schema";
import { CopyButton } from "../../view/copy-button";
import { Embedded } from "../../view/embedded";
import { NeedsKernel } from "../../view/needs-kernel";
import { PreviewOf } from "../../view/previews";
import { useSize } from "../../view/size";
import type { State } from "./state";
import "./graph.css";

const ELSEWHERE = "It cannot be shown here: nw.SplitExplorer(graph.concepts(node).split) shows it.";
/** Pixels beside the picture, in which the controls at its left stand. */
const MARGIN = 13;
const KEYS = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home"]);

const ofNeuron = ({ neuron }: GraphNode) => (neuron === null ? "a direction" : `neuron ${neuron}`);

/** On a concept's card: the control that opens its graph. */
export function FeedsButton({ state, node }: { state: State; node: number }) {
  const { feeds } = state;
  const below = feeds.below.value;
  if (!below || node < 0) return null;
  const open = feeds.graph.value?.root === node;
  const busy = state.status.value.state === "running";
  const reading = state.reading.value?.state === "running";
  return (
    <button
      type="button"
      class="nw-plain-button nw-feeds-button"
      data-node={node}
      aria-expanded={open}
      disabled={reading || (state.gone.value && feeds.known.value !== node)}
      title={
        reading
          ? "The capture still uses the model"
          : `Which concepts of layer ${below} make it fire?`
      }
      onClick={() => feeds.open(node)}
    >
      {busy && feeds.asked.value === node && !open ? "looking…" : "what feeds this"}
    </button>
  );
}

/** Below the cards: the graph that is open. */
export function ConceptGraph({ state, root }: { state: State; root: HTMLElement }) {
  const { feeds } = state;
  const graph = feeds.graph.value;
  const opened = feeds.opened.value;
  if (!graph) return null;
  const node = opened && graph.nodes[opened.node];
  const close = () => {
    feeds.close(state.gone.value);
    root.querySelector<HTMLElement>(`.nw-feeds-button[data-node="${graph.root}"]`)?.focus();
  };
  return (
    <section class="nw-graph" aria-label={`what feeds ${isolated(graph.nodes[0].name)}`}>
      <div class="nw-heading">
        <h3>
          What feeds <bdi>{graph.nodes[0].name}</bdi> of {ofNeuron(graph.nodes[0])}
        </h3>
        <span class="nw-graph-tools">
          <CopyButton
            text="copy as code"
            title="Copy the Python lines that make this graph?"
            content={() => graph.code}
          />
          <button type="button" onClick={close}>
            close
          </button>
        </span>
      </div>
      <Findings graph={graph} />
      {graph.edges.length > 0 && (
        <p class="nw-graph-legend nw-quiet">
          <span>
            <Sample /> raises the activation
          </span>
          <span>
            <Sample lowers /> lowers it
          </span>
          <span title="Integrated gradients, over the sum of absolute values of all edges of a concept">
            width: its part of what feeds the concept
          </span>
        </p>
      )}
      <Picture key={graph.root} state={state} graph={graph} root={root} onClose={close} />
      {opened && node && (
        <section class="nw-inner-split" aria-label={`split of ${ofNeuron(node)}`}>
          <div class="nw-heading">
            <h3>
              Neuron {node.neuron} of layer {graph.layers[node.layer]}
            </h3>
            <NeedsKernel gone={state.gone.value}>
              <button type="button" onClick={() => feeds.split(null)}>
                close
              </button>
            </NeedsKernel>
          </div>
          <Embedded
            key={opened.reference}
            reference={opened.reference}
            embed={feeds.embed}
            elsewhere={ELSEWHERE}
          />
        </section>
      )}
    </section>
  );
}

function Findings({ graph }: { graph: GraphMessage }) {
  return (
    <div class="nw-graph-findings">
      {graph.findings.map(({ node, text }) => (
        <p key={node} dir="auto">
          {text}
          {graph.edges.some(({ target }) => target === node) ? "" : " No concept feeds it."}
        </p>
      ))}
    </div>
  );
}

function Sample({ lowers = false }: { lowers?: boolean }) {
  return (
    <svg width="26" height="8" aria-hidden="true">
      <path
        class={lowers ? "nw-graph-edge nw-graph-lowers" : "nw-graph-edge"}
        d="M0 4H26"
        stroke-width="4"
      />
    </svg>
  );
}

interface PictureProps {
  state: State;
  graph: GraphMessage;
  root: HTMLElement;
  onClose: () => void;
}

function Picture({ state, graph, root, onClose }: PictureProps) {
  const { feeds } = state;
  const box = useRef<HTMLDivElement>(null);
  const room = useSignal(0);
  const active = useSignal(0);
  useSize(box, (node) => {
    room.value = node.clientWidth - MARGIN;
  });
  const layout = layoutOf(graph, room.value);
  // The concept that is fed stands at the right end.
  useLayoutEffect(() => {
    if (box.current) box.current.scrollLeft = layout.width;
  }, [layout.width]);
  const nodeAt = (i: number) =>
    box.current?.querySelector<HTMLElement>(`.nw-graph-node[data-node="${i}"]`);
  useEffect(() => {
    // Who asked by a card's button goes on from there, unless they went elsewhere meanwhile.
    const { activeElement } = root.getRootNode() as Document | ShadowRoot;
    if (activeElement?.matches(`.nw-feeds-button[data-node="${graph.root}"]`)) nodeAt(0)?.focus();
  }, []);
  const followed = new Map(graph.findings.map((finding) => [finding.node, finding]));
  const busy = state.status.value.state === "running";
  const gone = state.gone.value;
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onClose();
    }
    if (!KEYS.has(event.key)) return;
    event.preventDefault();
    active.value = neighbourOf(graph, active.value, event.key);
    nodeAt(active.value)?.focus();
  };
  return (
    <div class="nw-graph-room" ref={box}>
      <div class="nw-graph-layers" style={{ width: `${layout.width}px` }}>
        {graph.layers.map((layer, i) => (
          <span
            key={layer}
            class="nw-quiet"
            title={`layer ${layer}`}
            style={{
              left: `${(graph.layers.length > 1 ? (graph.layers.length - 1 - i) / (graph.layers.length - 1) : 0) * (layout.width - layout.wide)}px`,
              width: `${layout.wide}px`,
            }}
          >
            {layer}
          </span>
        ))}
      </div>
      <div
        class="nw-graph-picture"
        style={{ width: `${layout.width}px`, height: `${layout.height}px` }}
      >
        <svg width={layout.width} height={layout.height} aria-hidden="true">
          {graph.edges.map((edge, e) => (
            <path
              key={`${edge.source} ${edge.target}`}
              class={`nw-graph-edge ${edge.weight < 0 ? "nw-graph-lowers" : ""} ${followed.get(edge.target)?.chance ? "nw-graph-chance" : ""}`}
              d={layout.lines[e].path}
              stroke-width={layout.lines[e].stroke}
            >
              <title>{saidOf(graph, edge)}</title>
            </path>
          ))}
        </svg>
        {graph.nodes.map((node, i) => (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset has a style of its own.
          <div
            key={`${node.layer} ${node.neuron} ${node.concept}`}
            class="nw-graph-place"
            role="group"
            aria-label={`${isolated(node.name)}, ${ofNeuron(node)}`}
            style={{
              left: `${layout.at[i].x}px`,
              top: `${layout.at[i].y}px`,
              width: `${layout.wide}px`,
              height: `${NODE.height}px`,
            }}
            onKeyDown={onKey}
            onFocusCapture={() => {
              active.value = i;
            }}
          >
            <button
              type="button"
              class={`nw-graph-node ${feeds.opened.value?.node === i ? "nw-open" : ""}`}
              data-node={i}
              tabIndex={active.value === i ? 0 : -1}
              aria-label={labelOf(graph, i)}
              aria-disabled={gone || i === 0}
              title={
                i === 0
                  ? "The concept that is fed"
                  : gone
                    ? "Opening its split needs the kernel"
                    : `Open its split? ${labelOf(graph, i)}`
              }
              onClick={() => !gone && i > 0 && feeds.split(i)}
            >
              <span class="nw-graph-line" aria-hidden="true">
                <i class="nw-graph-dot" style={{ background: node.color }} />
                <bdi class="nw-graph-name">{node.name}</bdi>
                {i > 0 && <b class="nw-graph-share">{shareOf(graph, i)}</b>}
              </span>
              <span class="nw-graph-line nw-quiet" aria-hidden="true">
                <span class="nw-graph-neuron">{ofNeuron(node)}</span>
                <Look state={state} graph={graph} node={node} />
              </span>
            </button>
            {node.follow && !followed.has(i) && (
              <button
                type="button"
                class="nw-graph-follow"
                tabIndex={active.value === i ? 0 : -1}
                disabled={gone || busy}
                aria-label={`what feeds ${isolated(node.name)} of ${ofNeuron(node)}`}
                title={gone ? "That needs the kernel" : "What feeds it, one layer below?"}
                onClick={() => feeds.follow(i)}
              >
                <span aria-hidden="true">+</span>
              </button>
            )}
          </div>
        ))}
      </div>
    </div>
  );
}

/** A node's keywords, else pictures of its strongest samples. */
function Look({ state, graph, node }: { state: State; graph: GraphMessage; node: GraphNode }) {
  const { faces } = graph;
  if (faces.atlas) {
    return (
      <span class="nw-graph-tiles">
        {node.samples.map((row) => {
          const at = faces.place.get(row);
          const picture = at === undefined ? null : { faces, at };
          const preview = { row, caption: `sample ${row}`, picture, text: null };
          return (
            picture && (
              <PreviewOf
                key={row}
                preview={preview}
                color={node.color}
                most={1}
                lit={false}
                onHover={state.hoverRow}
              />
            )
          );
        })}
      </span>
    );
  }
  // A text stands for keywords that are not found, or not yet.
  return node.words?.length ? (
    <span class="nw-graph-words">{node.words.map(isolated).join(" · ")}</span>
  ) : (
    <bdi class="nw-graph-text">{node.text}</bdi>
  );
}

const weightOf = ({ weight }: GraphEdge) => percent(Math.abs(weight));

function saidOf(graph: GraphMessage, edge: GraphEdge): string {
  const [source, target] = [graph.nodes[edge.source], graph.nodes[edge.target]];
  return `${source.name}, ${ofNeuron(source)}, ${edge.weight < 0 ? "lowers" : "raises"} ${target.name}: ${weightOf(edge)} of what feeds it; on ${percent(edge.samples)} of its samples`;
}

function labelOf(graph: GraphMessage, i: number): string {
  const node = graph.nodes[i];
  const out = graph.edges
    .filter(({ source }) => source === i)
    .map(
      (edge) =>
        `${edge.weight < 0 ? "lowers" : "raises"} ${isolated(graph.nodes[edge.target].name)} by ${weightOf(edge)}`,
    );
  const words = node.words?.length ? `, keywords ${node.words.map(isolated).join(", ")}` : "";
  const share = i > 0 ? `, ${shareOf(graph, i)}` : "";
  return `${isolated(node.name)}${share}, ${ofNeuron(node)} of layer ${graph.layers[node.layer]}, ${node.size} samples${words}${out.length ? `: ${out.join(", ")}` : ""}`;
}
