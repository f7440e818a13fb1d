/** The neuron's histogram: which band of its activation is split, and where each concept stands. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import {
  type ActivationAxis,
  activationAt,
  axisOf,
  bandOf,
  edgeAt,
  edgeOf,
  percentile,
} from "../../core/quantiles";
import { fromTo, grouped, short } from "../../core/scale";
import type { TreeMessage } from "../../protocol/split";
import { NeedsKernel } from "../../view/needs-kernel";
import { Segmented } from "../../view/segmented";
import { TwoHandles } from "../../view/two-handles";
import type { State } from "./state";
import "./band.css";

/** The band that the button proposes: where O'Mahony et al. (2024) look for confounders. */
const MIDDLE: [number, number] = [0.5, 0.9];
/** How high the histogram is drawn, in its own units. */
const TALL = 40;

interface Props {
  state: State;
  data: TreeMessage;
}

export function ActivationBand({ state, data }: Props) {
  const { histogram, range } = data;
  const axis = useMemo(() => (histogram ? axisOf(histogram, range) : null), [data]);
  return axis && <Band state={state} data={data} axis={axis} />;
}

function Band({ state, data, axis }: Props & { axis: ActivationAxis }) {
  const moved = useSignal<readonly [number, number] | null>(null);
  const band = state.band.value;
  const bins = axis.counts.length;
  const own: [number, number] = band
    ? [edgeOf(axis, band[0]), edgeOf(axis, band[1])]
    : [edgeAt(axis, data.activation[data.activation.length - 1]), bins];
  if (own[1] <= own[0]) own[own[1] === bins ? 0 : 1] += own[1] === bins ? -1 : 1;
  const [from, to] = moved.value ?? own;
  const quantiles = moved.value || !band ? [axis.below[from], axis.below[to]] : band;
  const said = `${percentile(quantiles[0])} to ${percentile(quantiles[1])}`;
  const span = `activation ${fromTo(activationAt(axis, from), activationAt(axis, to))}`;
  const top = !band && !moved.value;
  return (
    // No landmark: a page with many explorers, or one in another, would have many of that name.
    // biome-ignore lint/a11y/useSemanticElements: a fieldset has a style of its own
    <div class="nw-activation-band" role="group" aria-label="activation band">
      <div class="nw-heading">
        <h3 title="Which part of the neuron's activation is split: its top, or a band between two quantiles?">
          Activation band
        </h3>
        <NeedsKernel gone={state.gone.value}>
          <Segmented
            label="samples that are split"
            confirmed
            segments={[
              { value: false, text: "top", title: "The samples that activate it most" },
              {
                value: true,
                text: "band",
                title:
                  "Samples from everywhere between two quantiles: the middle shows what else activates it",
              },
            ]}
            chosen={band !== null}
            onChoose={(on) => on === (band !== null) || state.setBand(on ? MIDDLE : null)}
          />
        </NeedsKernel>
        <span class="nw-quiet nw-small">
          {top ? `top ${grouped(data.tree.n)} samples` : `quantiles ${said}, ${span}`}
        </span>
      </div>
      <NeedsKernel gone={state.gone.value}>
        <TwoHandles
          ends={own}
          max={bins}
          label="activation band"
          say={(edge) =>
            `${percentile(axis.below[edge])}, activation ${short(activationAt(axis, edge))}`
          }
          inactive={top}
          onMove={(ends) => {
            moved.value = ends;
          }}
          onEnds={(ends) => {
            const next = bandOf(axis, ...ends);
            if (!next) return;
            // An end that was not moved stays as exact as it was.
            state.setBand([0, 1].map((i) => (band && ends[i] === own[i] ? band[i] : next[i])));
          }}
        >
          <Bars axis={axis} from={from} to={to} />
        </TwoHandles>
      </NeedsKernel>
      <p class="nw-band-axis" aria-hidden="true">
        <span>{short(axis.low)}</span>
        <span>{short(axis.high)}</span>
      </p>
      <Places state={state} data={data} axis={axis} />
    </div>
  );
}

/** The histogram, on a root scale: a few samples are seen beside many. */
function Bars({ axis, from, to }: { axis: ActivationAxis; from: number; to: number }) {
  const bars = useMemo(() => {
    const most = Math.max(...axis.counts);
    return Array.from(axis.counts, (count, i) => {
      const tall = count ? 1.5 + (TALL - 3) * Math.sqrt(count / most) : 0;
      return `M${i + 0.08} ${TALL}V${TALL - tall}h.84V${TALL}z`;
    });
  }, [axis]);
  return (
    <svg
      viewBox={`0 0 ${bars.length} ${TALL}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`histogram of the activation, ${fromTo(axis.low, axis.high)}`}
    >
      <path class="nw-band-out" d={bars.filter((_, i) => i < from || i >= to).join("")} />
      <path class="nw-band-in" d={bars.slice(from, to).join("")} />
    </svg>
  );
}

/** Concepts that have a line. */
const LINES = 50;

/** From the least to the largest activation of each concept's samples, and their median. */
function Places({ state, data, axis }: Props & { axis: ActivationAxis }) {
  const shown = state.current.value?.concepts.slice(0, LINES) ?? [];
  const at = (value: number) => ((value - axis.low) / (axis.high - axis.low)) * 100;
  return (
    <ul
      class="nw-places"
      aria-label="where the concepts lie on the neuron's axis"
      style={{ "--nw-lines": Math.max(1, shown.length) }}
    >
      {shown.map((concept, i) => {
        const [low, high] = concept.range;
        const only = state.inBandOnly(concept);
        const title = state.titles.value[i];
        return (
          <li
            key={concept.key}
            class={state.pale(concept) ? "nw-pale-share" : undefined}
            title={`${title}: activation ${fromTo(low, high)} of ${data.name}${only ? ", in the band only" : ""}`}
            onPointerEnter={() => state.hoverConcept(i)}
            onPointerLeave={() => state.hoverConcept(null)}
          >
            <i
              class={only ? "nw-only" : undefined}
              style={{
                left: `${at(low)}%`,
                width: `max(4px, ${at(high) - at(low)}%)`,
                "--nw-color": concept.color,
              }}
            />
            <span class="nw-hidden">
              {title}: {fromTo(low, high)}
            </span>
          </li>
        );
      })}
    </ul>
  );
}
