/** A text whose tokens are shaded by the neuron's activation, or by a concept's share. */
import { useSignal } from "@preact/signals";
import { Fragment } from "preact";
import { useRef } from "preact/hooks";
import { directionOf } from "../../core/direction";
import { short } from "../../core/scale";
import { begins } from "../../core/states";
import { apart } from "../../core/text";
import type { ReadingsMessage, Slot } from "../../protocol/probe";
import { Tooltip } from "../../view/tooltip";
import { useUniqueId } from "../../view/unique-id";
import type { State } from "./state";
import { StateTip } from "./states";
import "./tokens.css";

/** The strongest shade, in percent of the colour: the text on it stays readable. */
const [GREY, COLOR] = [34, 60];
/** Concepts in the box that says what a token has. */
const LISTED = 5;

interface Props {
  state: State;
  data: ReadingsMessage;
  slot: Slot;
}

interface Place {
  token: number;
  x: number;
  y: number;
}

export function Tokens({ state, data, slot }: Props) {
  const under = useSignal<Place | null>(null);
  const strip = useRef<HTMLDivElement>(null);
  const id = useUniqueId();
  const { segments, values, each, peak } = slot;
  const lit = state.lit.value;
  const width = data.concepts.length;
  const color = lit < 0 ? "currentColor" : data.concepts[lit].color;
  const strength = lit < 0 ? GREY : COLOR;
  const value = (i: number) => (lit < 0 ? values[i] : each[i * width + lit]);
  let most = data.most;
  if (lit >= 0) {
    most = 1e-9;
    for (let i = 0; i < segments.length; i++) most = Math.max(most, value(i));
  }

  const show = (token: number) => {
    const area = strip.current?.getBoundingClientRect();
    const box = strip.current?.querySelector(`[data-token="${token}"]`)?.getClientRects()[0];
    if (area && box)
      under.value = { token, x: box.left + box.width / 2 - area.left, y: box.top - area.top };
  };
  const hide = () => {
    under.value = null;
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const end = { Home: 0, End: segments.length - 1 }[event.key];
    if (step === undefined && end === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const rtl = directionOf(slot.text) === "rtl" && event.key.match(/Left|Right/) ? -1 : 1;
    const at = under.value?.token ?? (peak >= 0 ? peak : 0);
    const next = end ?? (under.value ? at + rtl * (step ?? 0) : at);
    show(Math.min(segments.length - 1, Math.max(0, next)));
  };
  const at = under.value && under.value.token < segments.length ? under.value : null;
  return (
    <div class="nw-tokens-around">
      <div
        ref={strip}
        class={`nw-tokens ${slot.chunk ? "nw-with-chunks" : ""}`}
        dir={directionOf(slot.text)}
        role="listbox"
        tabIndex={0}
        aria-label={`tokens of the text, each with the ${lit < 0 ? "neuron’s activation" : "concept’s share"}`}
        aria-activedescendant={at ? `${id}-${at.token}` : undefined}
        onPointerMove={({ target }) => {
          const token = (target as HTMLElement).dataset?.token;
          if (token === undefined) hide();
          else if (Number(token) !== under.value?.token) show(Number(token));
        }}
        onPointerLeave={hide}
        onFocus={(event) => {
          if (event.currentTarget.matches(":focus-visible")) show(peak >= 0 ? peak : 0);
        }}
        onBlur={hide}
        onKeyDown={move}
      >
        {segments.map((segment, i) => {
          const [space, token] = apart(segment);
          const shade = Math.round(Math.min(1, Math.max(0, value(i) / most)) * strength);
          return (
            <Fragment key={i}>
              {space}
              <span
                id={`${id}-${i}`}
                role="option"
                tabIndex={-1}
                aria-selected={i === at?.token}
                aria-label={`${token.trim() || "space"}: ${short(value(i))}`}
                data-token={i}
                class={`${i === peak ? "nw-token-peak" : ""} ${i === at?.token ? "nw-token-at" : ""} ${state.isHit(slot, i) ? "nw-token-hit" : ""}`}
                data-chunk={slot.chunk && begins(slot.chunk, i) ? slot.chunk[i] : undefined}
                style={{
                  ...(shade > 0 && {
                    background: `color-mix(in srgb, ${color} ${shade}%, transparent)`,
                  }),
                  ...chunkStyle(state, slot, i),
                }}
              >
                {token}
              </span>
            </Fragment>
          );
        })}
        {slot.text.length > segments.join("").length && <span class="nw-quiet"> …</span>}
      </div>
      {at && (
        <Tooltip at={at} wide>
          <TokenTip state={state} data={data} slot={slot} token={at.token} />
        </Tooltip>
      )}
    </div>
  );
}

/** The bar beneath a token, and room for the number where a run of one chunk begins. */
function chunkStyle(state: State, { chunk, segments }: Slot, i: number) {
  if (!chunk || chunk[i] < 0) return {};
  const shown = apart(segments[i])[1].length;
  const room = begins(chunk, i) ? Math.max(0, String(chunk[i]).length + 1 - shown) : 0;
  return { borderBottomColor: state.colorOf(chunk[i]), paddingRight: `${6 * room}px` };
}

function TokenTip({ state, data, slot, token }: Props & { token: number }) {
  const width = data.concepts.length;
  const shares = data.concepts
    .map((concept, k) => ({ concept, share: slot.each[token * width + k] }))
    .sort((a, b) => b.share - a.share)
    .slice(0, LISTED);
  return (
    <>
      <div>
        <b>{short(slot.values[token])}</b> on <bdi>“{slot.segments[token].trim() || "␣"}”</bdi>
        {token === slot.peak && <span class="nw-quiet"> · peak</span>}
      </div>
      <StateTip state={state} slot={slot} token={token} />
      {shares.map(({ concept, share }) => (
        <div key={concept.name} class="nw-token-share">
          <i style={{ background: concept.color }} />
          <span>{concept.name}</span>
          <span class="nw-quiet">{short(share)}</span>
        </div>
      ))}
    </>
  );
}
