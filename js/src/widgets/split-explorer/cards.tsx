/** One card per concept, below the neuron's own. */

import { useSignal } from "@preact/signals";
import { useMemo, useRef } from "preact/hooks";
import { type Concept, type Cut, entropy, majority, SHOWN } from "../../core/concepts";
import { isolated } from "../../core/direction";
import { COMMON, factsOf } from "../../core/facts";
import { stripOf } from "../../core/promoted";
import { saidNone } from "../../core/said-cut";
import { counted, fromTo, grouped, percent } from "../../core/scale";
import { atRest, verdictOf } from "../../core/verdict";
import type { TreeMessage } from "../../protocol/split";
import { inkOn } from "../../view/color";
import { useTyped } from "../../view/field";
import { memo } from "../../view/memo";
import { useSize } from "../../view/size";
import { BandMark } from "./band-mark";
import { CauseBars, CausesHead } from "./causes";
import { FeedsButton } from "./graph";
import { KeepButton, KeptLine } from "./library";
import { NEURON } from "./more";
import { PromotedStrip } from "./promoted";
import { partsOf, ReadingField, RetrievedPart } from "./retrieved";
import { SAEHead, SAELine } from "./sae";
import { Scores } from "./scores";
import { SpreadCaption, SpreadField, SpreadStrip } from "./spread";
import { HalvesAgree, Stability } from "./stability";
import type { State } from "./state";
import { Strip } from "./strip";
import { type Nearest, nearestOf } from "./truth";
import "./cards.css";

/** Cards that are drawn at once: a drag redraws them all in each frame. */
const CARDS = 50;

export function Cards({ state, data }: { state: State; data: TreeMessage }) {
  const cut = state.current.value;
  const { key, source } = state.hover.value ?? {};
  const shared = state.shared.value;
  const nearest = nearestOf(data, state.recovery.value);
  const list = useRef<HTMLUListElement>(null);
  const limit = useSignal(CARDS);
  const any = cut !== null;
  const resting = atRest(state.suggestions.value);
  useSize(
    list,
    (node) => {
      const { paddingLeft, paddingRight } = getComputedStyle(node);
      const wide =
        node.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
      if (wide > 0) state.room.value = wide;
    },
    any,
  );
  if (!cut) return null;
  return (
    <ul ref={list} class="nw-cards" aria-label={`${cut.concepts.length} concepts`}>
      <NeuronCard state={state} data={data} cut={cut} />
      {cut.concepts.slice(0, limit.value).map((concept, i) => (
        <Card
          key={concept.key}
          state={state}
          data={data}
          concept={concept}
          title={state.titles.value[i]}
          index={i}
          lit={source === "concept" && key === concept.key}
          shared={shared[i]}
          {...nearest[i]}
        />
      ))}
      {cut.concepts.length > limit.value && (
        <li class="nw-rest nw-quiet">
          {grouped(cut.concepts.length - limit.value)} more concepts{" "}
          <button
            type="button"
            class="nw-plain-button"
            onClick={() => {
              limit.value += CARDS;
            }}
          >
            show {Math.min(CARDS, cut.concepts.length - limit.value)} more
          </button>
        </li>
      )}
      {cut.unassigned > 0 && !resting && (
        <li class="nw-rest nw-quiet">
          {counted(cut.unassigned, "unassigned sample")}:{" "}
          {cut.mark ? "outliers, or clusters" : "clusters"} of fewer than {data.minSize}
          {cut.mark ? "" : " at this cut height"}.
        </li>
      )}
      {cut.concepts.length === 0 && (
        <li class="nw-rest">{saidNone(resting, cut.mark !== null, data.minSize)}</li>
      )}
      <KeptLine state={state} />
    </ul>
  );
}

function NeuronCard({ state, data, cut }: { state: State; data: TreeMessage; cut: Cut }) {
  const { label, labels } = data;
  const rows = Array.from(data.row.subarray(0, SHOWN));
  const spread = state.spreads(NEURON);
  const [bits, best, share] = useMemo(
    () =>
      label
        ? [entropy(label, labels.length), ...majority(label, labels.length)]
        : [Number.NaN, -1, Number.NaN],
    [data],
  );
  return (
    <li class="nw-card nw-own" aria-label={`${data.name} itself`}>
      <header>
        <i class="nw-dot nw-dot-grey" />
        <span class="nw-title">{data.name} itself</span>
        <span class="nw-quiet">
          {grouped(data.tree.n)} samples
          {best >= 0
            ? ` · ${percent(share)} ${isolated(labels[best])} · ${bits.toFixed(2)} bit`
            : ""}
        </span>
      </header>
      {state.byChance.value && (
        <p class="nw-caption" role="note">
          <b>Samples without any groups would separate as clearly: it may be one concept.</b>
        </p>
      )}
      <Shares state={state} cut={cut} total={data.tree.n} />
      {data.doubt && !atRest(state.suggestions.value) && (
        <p class="nw-caption" role="note">
          <b>Do not trust these concepts: {data.doubt}.</b>
        </p>
      )}
      <Scores
        scores={state.scores.value}
        verdict={verdictOf(state.scores.value, state.suggestions.value)}
        elsewhere={state.threshold.value !== data.suggested}
        gone={state.gone.value}
      />
      <div class="nw-caption">
        <span class="nw-reach">
          {spread ? (
            <SpreadCaption state={state} node={NEURON} most={data.range[1]} />
          ) : (
            <span title="Which samples activate the neuron most?">
              {state.band.value ? "samples of the band, of" : "top samples of"}{" "}
              {grouped(data.samples)}
            </span>
          )}
          <SpreadField state={state} node={NEURON} of="the neuron" />
        </span>
        <ReadingField state={state} />
      </div>
      {spread ? (
        <SpreadStrip state={state} node={NEURON} data={data} color="currentColor" />
      ) : (
        <Strip
          previews={rows.map((row) => state.preview(row))}
          color="currentColor"
          state={state}
          data={data}
        />
      )}
      <PromotedStrip state={state} node={NEURON} />
      <SAEHead state={state} />
      <CausesHead state={state} />
    </li>
  );
}

/** How the concepts share the neuron's top samples. */
function Shares({ state, cut, total }: { state: State; cut: Cut; total: number }) {
  const titles = state.titles.value;
  const said = cut.concepts.map(({ size }, i) => `${isolated(titles[i])}: ${size}`).join(", ");
  return (
    <div
      class="nw-shares"
      role="img"
      aria-label={`concept sizes: ${said}`}
      title={`How are the top samples shared? ${said}`}
    >
      {cut.concepts.map((concept) => (
        <i
          key={concept.key}
          class={state.pale(concept) ? "nw-pale-share" : undefined}
          style={{ background: concept.color, flexGrow: concept.size }}
        />
      ))}
      {cut.unassigned > 0 && <i style={{ flexGrow: Math.min(cut.unassigned, total) }} />}
    </div>
  );
}

interface CardProps extends Partial<Nearest> {
  state: State;
  data: TreeMessage;
  concept: Concept;
  /** Its name, with a number where several have it. */
  title: string;
  index: number;
  lit: boolean;
  /** Of what it retrieves, the share that another concept retrieves too. */
  shared: number | null;
}

const Card = memo(
  ({ state, data, concept, title, index, lit, shared, feature, matched }: CardProps) => {
    const { color, number, common, range } = concept;
    const retrieved = state.retrievedOf(concept);
    const facts = factsOf(data, concept);
    return (
      <li
        class={`nw-card ${lit ? "nw-lit" : ""} ${state.pale(concept) ? "nw-pale" : ""}`}
        aria-label={`concept ${number}: ${isolated(title)}, ${facts.join(", ")}`}
        style={{ "--nw-color": color, "--nw-on-color": inkOn(color) }}
        onPointerEnter={() => state.hoverConcept(index)}
        onPointerLeave={() => state.hoverConcept(null)}
      >
        <header>
          <button
            type="button"
            class="nw-dot"
            title="Which samples are its own? Click to select them."
            aria-label={`select the samples of concept ${number}`}
            onClick={() => state.selectConcept(index)}
          >
            {number}
          </button>
          <NameField
            name={title}
            number={number}
            fixed={concept.node < 0}
            onName={(text) => state.rename(concept.node, text)}
          />
          <span class="nw-quiet" title={common ? COMMON : undefined}>
            {facts.join(" · ")}
          </span>
          <BandMark state={state} concept={concept} />
          <KeepButton state={state} data={data} concept={concept} title={title} index={index} />
          {state.byChance.value && (
            <span
              class="nw-by-chance"
              title="Is it more than chance? Samples without any groups separate as clearly."
            >
              as chance would
            </span>
          )}
        </header>
        {data.words && !concept.refined && <Keywords words={state.wordsOf(concept.node)} />}
        <Strip
          mine={concept.key}
          previews={concept.exemplars.map((sample) => state.preview(data.row[sample]))}
          color={color}
          state={state}
          data={data}
        />
        <RetrievedPart
          state={state}
          data={data}
          concept={concept}
          retrieved={retrieved}
          shared={shared}
        />
        <PromotedStrip state={state} node={stripOf(concept)} refined={concept.refined} />
        <SAELine state={state} concept={concept} index={index} />
        <CauseBars state={state} concept={concept} />
        <footer>
          <RangeStrip data={data} range={range} color={color} />
          {retrieved && (
            <Stability concept={concept} recurs={retrieved.recurs} of={partsOf(data)} />
          )}
          <HalvesAgree state={state} concept={concept} />
          {!concept.refined && <FeedsButton state={state} node={concept.node} />}
          {feature && (
            <span class="nw-feature" title={matched}>
              {feature}
            </span>
          )}
        </footer>
      </li>
    );
  },
);

/** In characters, where the browser cannot size a field by its content. */
const widthOf = (name: string) => Math.max(4, name.length);

function NameField({
  name,
  number,
  fixed,
  onName,
}: {
  name: string;
  number: number;
  fixed: boolean;
  onName: (name: string) => void;
}) {
  // An empty name gives the default back. What the browser would undo was typed over another text:
  // the field begins anew.
  const round = useSignal(0);
  const typing = useTyped(name, (field) => {
    onName(field.value);
    if (!field.value.trim()) setTimeout(() => round.value++);
  });
  if (fixed) return <bdi class="nw-title">{name}</bdi>;
  return (
    <input
      key={round.value}
      class="nw-title"
      dir="auto"
      aria-label={`name of concept ${number}`}
      title="What should it be called?"
      {...typing}
      size={widthOf(name)}
      maxLength={200}
      spellcheck={false}
      onInput={(event) => {
        typing.onInput(event);
        event.currentTarget.size = widthOf(event.currentTarget.value);
      }}
      onKeyDown={(event) => {
        // JupyterLab has its own meaning for keys outside of fields.
        event.stopPropagation();
        typing.onKeyDown(event);
      }}
    />
  );
}

/** The words that are typical of its texts; null where they were not looked for yet. */
function Keywords({ words }: { words: string[] | null }) {
  return (
    <p
      class={`nw-caption ${words ? "" : "nw-pending"}`}
      title="Which words do more of its texts hold than of the neuron's other top samples, and of the dataset?"
    >
      {words?.length === 0 ? (
        "no keywords"
      ) : (
        <span>
          keywords: {words ? <span class="nw-terms">{words.map(isolated).join(" · ")}</span> : "…"}
        </span>
      )}
    </p>
  );
}

function RangeStrip({
  data,
  range,
  color,
}: {
  data: TreeMessage;
  range: [number, number];
  color: string;
}) {
  const [low, high] = data.range;
  const at = (value: number) => (high > low ? ((value - low) / (high - low)) * 100 : 50);
  const said = fromTo(range[0], range[1]);
  return (
    <span
      class="nw-activation-range"
      title={`Which activations have its samples? ${said}, of ${fromTo(low, high)} on all samples`}
    >
      <span class="nw-quiet">range</span>
      <span class="nw-track" role="img" aria-label={`activation range ${said}`}>
        <i
          style={{
            left: `${at(range[0])}%`,
            width: `max(3px, ${at(range[1]) - at(range[0])}%)`,
            background: color,
          }}
        />
      </span>
      <span class="nw-quiet">{said}</span>
    </span>
  );
}
