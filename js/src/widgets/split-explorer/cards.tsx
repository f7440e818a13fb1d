/** One card per concept, below the neuron's own. */

import { useMemo } from "preact/hooks";
import { type Concept, type Cut, entropy, majority, SHOWN } from "../../core/concepts";
import { isolated } from "../../core/direction";
import { fixed, short } from "../../core/scale";
import type { Found, TreeMessage } from "../../protocol/split";
import { type Face, RestingFace } from "../../view/faces";
import { useTyped } from "../../view/field";
import { memo } from "../../view/memo";
import { Scores } from "./scores";
import type { State } from "./state";
import { type Nearest, nearestOf } from "./truth";

const percent = (share: number) => `${Math.round(share * 100)}%`;

export function Cards({ state, data }: { state: State; data: TreeMessage }) {
  const cut = state.current.value;
  const { key, source } = state.hover.value ?? {};
  const nearest = nearestOf(data, state.recovery.value);
  if (!cut) return null;
  return (
    <ul class="nw-cards" aria-label={`${cut.concepts.length} concepts`}>
      <NeuronCard state={state} data={data} cut={cut} />
      {cut.concepts.map((concept, i) => (
        <Card
          key={concept.key}
          state={state}
          data={data}
          concept={concept}
          index={i}
          lit={source === "concept" && key === concept.key}
          {...nearest[i]}
        />
      ))}
      {cut.unassigned > 0 && (
        <li class="nw-rest nw-quiet">
          {cut.unassigned} {cut.unassigned === 1 ? "sample belongs" : "samples belong"} to no
          concept
          {cut.mark ? " (outliers, or clusters" : " (clusters"} of fewer than {data.minSize}
          {cut.mark ? ")" : " at this cut)"}.
        </li>
      )}
      {cut.concepts.length === 0 && (
        <li class="nw-rest">
          No cluster has {data.minSize} samples or more here. Move the line up for coarser concepts.
        </li>
      )}
    </ul>
  );
}

function NeuronCard({ state, data, cut }: { state: State; data: TreeMessage; cut: Cut }) {
  const { label, labels } = data;
  const rows = Array.from(data.row.subarray(0, SHOWN));
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
          {data.tree.n.toLocaleString("en")} samples
          {best >= 0
            ? ` · ${percent(share)} ${isolated(labels[best])} · ${bits.toFixed(2)} bit`
            : ""}
        </span>
      </header>
      <Shares cut={cut} total={data.tree.n} />
      <Scores scores={state.scores.value} moved={state.threshold.value !== data.suggested} />
      <p class="nw-caption">its strongest, of {data.samples.toLocaleString("en")}</p>
      <Strip
        faces={rows.map((row) => state.face(row))}
        color="currentColor"
        state={state}
        data={data}
      />
    </li>
  );
}

/** How the concepts share the neuron's top samples. */
function Shares({ cut, total }: { cut: Cut; total: number }) {
  const said = cut.concepts.map(({ name, size }) => `${isolated(name)} ${size}`).join(", ");
  return (
    <div class="nw-shares" role="img" aria-label={`shared by ${said}`} title={said}>
      {cut.concepts.map(({ key, color, size }) => (
        <i key={key} style={{ background: color, flexGrow: size }} />
      ))}
      {cut.unassigned > 0 && <i style={{ flexGrow: Math.min(cut.unassigned, total) }} />}
    </div>
  );
}

interface CardProps extends Partial<Nearest> {
  state: State;
  data: TreeMessage;
  concept: Concept;
  index: number;
  lit: boolean;
}

const Card = memo(({ state, data, concept, index, lit, feature, matched }: CardProps) => {
  const { name, color, size, number, purity, labelled, label, range } = concept;
  const found = concept.refined ? concept.found : state.foundOf(concept.node);
  const facts = [`${size.toLocaleString("en")} ${size === 1 ? "sample" : "samples"}`];
  if (label >= 0) {
    const among = labelled < size ? ` of ${labelled} labelled` : "";
    facts.push(`${percent(purity)} ${isolated(data.labels[label])}${among}`);
  }
  if (concept.moved) facts.push(`${concept.moved} moved in`);
  if (concept.left) facts.push(`${concept.left} left out`);
  return (
    <li
      class={`nw-card ${lit ? "nw-lit" : ""}`}
      aria-label={`concept ${number}: ${isolated(name)}, ${facts.join(", ")}`}
      style={{ "--nw-color": color }}
      onPointerEnter={() => state.hoverConcept(index)}
      onPointerLeave={() => state.hoverConcept(null)}
    >
      <header>
        <button
          type="button"
          class="nw-dot"
          title="select its samples"
          aria-label={`select the samples of concept ${number}`}
          onClick={() => state.selectConcept(index)}
        >
          {number}
        </button>
        <NameField
          name={name}
          number={number}
          fixed={concept.node < 0}
          onName={(text) => state.rename(concept.node, text)}
        />
        <span class="nw-quiet">{facts.join(" · ")}</span>
      </header>
      {data.words && !concept.refined && <Apart words={state.wordsOf(concept.node)} />}
      <Strip
        mine={concept.key}
        faces={concept.exemplars.map((sample) => state.face(data.row[sample]))}
        color={color}
        state={state}
        data={data}
      />
      <FoundStrip state={state} data={data} found={found} color={color} label={label} />
      <footer>
        <RangeStrip data={data} range={range} color={color} />
        {found && <span class="nw-quiet">cos to neuron {fixed(found.cosine, 2)}</span>}
        {feature && (
          <span class="nw-feature" title={matched}>
            {feature}
          </span>
        )}
      </footer>
    </li>
  );
});

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
  const typing = useTyped(name, (field) => {
    onName(field.value);
    // An empty name gives the default back, which may be what stood there already.
    if (!field.value.trim()) field.value = name;
  });
  if (fixed) return <bdi class="nw-title">{name}</bdi>;
  return (
    <input
      class="nw-title"
      dir="auto"
      aria-label={`name of concept ${number}`}
      title="type a name"
      {...typing}
      size={Math.max(4, name.length)}
      maxLength={200}
      spellcheck={false}
      onKeyDown={(event) => {
        // JupyterLab has its own meaning for keys outside of fields.
        event.stopPropagation();
        typing.onKeyDown(event);
        if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
      }}
    />
  );
}

/** The words that set its texts apart; null where they were not looked for yet. */
function Apart({ words }: { words: string[] | null }) {
  return (
    <p
      class={`nw-caption nw-apart ${words ? "" : "nw-pending"}`}
      title="words that more of its texts hold than of the neuron's other top samples, and of the dataset"
    >
      {words?.length === 0 ? (
        "no word sets it apart"
      ) : (
        <span>
          set apart by{" "}
          {words ? <span class="nw-terms">{words.map(isolated).join(" · ")}</span> : "…"}
        </span>
      )}
    </p>
  );
}

interface FoundProps {
  state: State;
  data: TreeMessage;
  found: Found | null;
  color: string;
  /** The label that most of the concept's own samples carry. */
  label: number;
}

function FoundStrip({ state, data, found, color, label }: FoundProps) {
  const all = data.samples.toLocaleString("en");
  const busy = state.status.value.state === "running" || state.reading.value?.state === "running";
  if (!found) {
    return (
      <p class="nw-caption nw-pending">
        {busy
          ? `looking through all ${all}…`
          : `what its vector finds in all ${all}: needs the kernel`}
      </p>
    );
  }
  const [best, share] = majority(found.labels, data.labels.length);
  const rows = Array.from(found.rows.subarray(0, SHOWN));
  return (
    <>
      <p class="nw-caption">
        found by its vector in all {all}
        {best >= 0 && (
          <span
            class={best === label ? undefined : "nw-differs"}
            title={best === label ? undefined : "not what most of its own samples are"}
          >
            {percent(share)} {isolated(data.labels[best])} in the first {found.rows.length}
          </span>
        )}
      </p>
      <Strip
        faces={rows.map((row, i) => state.face(row, found.labels[i]))}
        color={color}
        state={state}
        data={data}
      />
    </>
  );
}

interface StripProps {
  /** The key of the concept whose own samples these are. */
  mine?: string;
  faces: Face[];
  color: string;
  state: State;
  data: TreeMessage;
}

function Strip({ faces, color, state, data, mine }: StripProps) {
  const rows = state.litRows.value;
  // The card under the pointer is lit as a whole; its own samples need no frames.
  const own = mine !== undefined && state.hover.value?.key === mine;
  const kind = faces.find((f) => f.text) ? "nw-lines" : "nw-tiles";
  return (
    <div class={kind}>
      {faces.map((face) => (
        <RestingFace
          key={face.row}
          face={face}
          color={color}
          most={data.range[1]}
          lit={!own && rows.has(face.row)}
          onHover={state.hoverRow}
        />
      ))}
    </div>
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
  const said = `${short(range[0])} to ${short(range[1])}`;
  return (
    <span
      class="nw-range"
      title={`activation ${said}, of ${short(low)} to ${short(high)} on all samples`}
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
