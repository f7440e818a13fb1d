/** What a concept retrieves from the whole dataset, and what chance would. */
import { type Concept, SHOWN } from "../../core/concepts";
import { isolated } from "../../core/direction";
import { lacking } from "../../core/lacking";
import { type Precision, precisionOf } from "../../core/retrieved";
import { fixed, grouped, percent } from "../../core/scale";
import type { By } from "../../protocol/schema";
import type { Retrieved, TreeMessage } from "../../protocol/split";
import { SpreadCaption, SpreadField, SpreadStrip } from "./spread";
import type { State } from "./state";
import { Strip } from "./strip";
import "./retrieved.css";

const READING: Record<By, string> = { cosine: "direction", dot: "dot product" };

/** How samples are compared with a concept. */
export function ReadingField({ state }: { state: State }) {
  return (
    <label title="How are samples compared with a concept? direction: by the cosine about the layer's mean; dot product: as in the paper, where long vectors come first">
      retrieve by{" "}
      <select
        class="nw-by"
        value={state.by.value}
        onChange={(event) => state.by.set(event.currentTarget.value as By)}
      >
        {Object.entries(READING).map(([by, title]) => (
          <option value={by} key={by}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What samples are parts of, such as the texts of tokens; null: they are whole. */
export const partsOf = ({ source, faces }: TreeMessage) =>
  source ? (faces.kind === "image" ? "images" : "texts") : null;

interface Props {
  state: State;
  data: TreeMessage;
  concept: Concept;
  retrieved: Retrieved | null;
  shared: number | null;
}

export function RetrievedPart({ state, data, concept, retrieved, shared }: Props) {
  const all = grouped(data.samples);
  const busy =
    !state.gone.value &&
    (state.status.value.state === "running" || state.reading.value?.state === "running");
  if (!retrieved) {
    return (
      <p class="nw-caption nw-pending">
        {busy ? `comparing all ${all}…` : lacking(`retrieval from all ${all}`, state.gone.value)}
      </p>
    );
  }
  const by = state.by.value;
  const { [by]: rows } = retrieved.rows;
  const spread = !concept.refined && state.spreads(concept.node);
  const precision = precisionOf(concept, retrieved, by, state.evidence.value?.chance ?? null);
  return (
    <>
      <div class="nw-caption">
        <span class="nw-reach">
          {spread ? (
            <SpreadCaption state={state} node={concept.node} most={data.range[1]} />
          ) : (
            <span
              title={`Which of all ${all} samples are nearest to the concept, by ${READING[by]}?`}
            >
              retrieved from all {all}
            </span>
          )}
          {!concept.refined && (
            <SpreadField state={state} node={concept.node} of={`concept ${concept.number}`} />
          )}
        </span>
        {precision && !spread && (
          <PrecisionBar
            {...precision}
            name={data.labels[concept.label]}
            color={concept.color}
            of={partsOf(data)}
          />
        )}
      </div>
      {spread ? (
        <SpreadStrip state={state} node={concept.node} data={data} color={concept.color} />
      ) : (
        <Strip
          previews={Array.from(rows.subarray(0, SHOWN), (row, i) =>
            state.preview(row, retrieved.labels[by][i], retrieved.activations?.[by][i]),
          )}
          color={concept.color}
          state={state}
          data={data}
        />
      )}
      {!spread && (
        <p class="nw-caption">
          <span title="How strongly do the retrieved samples activate the neuron? Their median percentile, and the cosine of the concept vector with the neuron's axis.">
            on the neuron: {ordinal(retrieved.percentile[by])} percentile, cosine{" "}
            {fixed(retrieved.cosine, 2)}
          </span>
          {shared !== null && (
            <span title="How much of what it retrieves does another concept retrieve too?">
              {percent(shared)} shared
            </span>
          )}
        </p>
      )}
    </>
  );
}

interface BarProps extends Precision {
  name: string;
  color: string;
  /** What samples are parts of, such as the texts of tokens; null: they are whole. */
  of: "images" | "texts" | null;
}

function PrecisionBar({ value, chance, high, level, name, count, color, of }: BarProps) {
  const most = high === null ? "" : `, and 95% of them at most ${percent(high)}`;
  const other =
    chance === null
      ? ""
      : `; random groups of its size, which have the label themselves if that is no rare chance, have ${percent(chance)} on average${most}`;
  const end = level ? ": it is no better than chance" : "";
  const samples = count === 1 ? "nearest labelled sample" : `${count} nearest labelled samples`;
  const outside = of ? `one of each of ${count} other ${of}` : "outside of the concept";
  const said = `${percent(value)} of the ${samples}, ${outside}, are ${name}${other}${end}`;
  return (
    <span class="nw-precision" title={`Does it retrieve one label more than chance does? ${said}.`}>
      <span>
        {percent(value)} {isolated(name)}
        {level && <b class="nw-differs">, at chance</b>}
      </span>
      <span class="nw-precision-bar" role="img" aria-label={said}>
        <i style={{ width: `${value * 100}%`, background: color }} />
        {chance !== null && <i class="nw-chance" style={{ left: `${chance * 100}%` }} />}
      </span>
    </span>
  );
}

function ordinal(value: number): string {
  const whole = Math.floor(value);
  const ten = whole % 100;
  const ends = ["th", "st", "nd", "rd"];
  return `${whole}${ends[(ten - 20) % 10] ?? ends[ten] ?? "th"}`;
}
