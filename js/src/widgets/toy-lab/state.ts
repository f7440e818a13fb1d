/** What the kernel has sent, what the user does, and what follows from both. */

import { computed, effect, signal } from "@preact/signals";
import { histogram } from "../../core/histogram";
import { inOrder, type Order } from "../../core/order";
import { grouped } from "../../core/scale";
import { lastKept, stillAt } from "../../core/steps";
import { embed } from "../../model/embedded";
import { change, type Host, type Model, perFrame, traitsOf } from "../../model/model";
import { requestsOf, type Shown } from "../../model/requests";
import type { ToyLabRequest, ToyLabTraits } from "../../protocol/schema";
import { type Run, readCheckpoints, readPicture, type Still } from "../../protocol/toy";

export type State = ReturnType<typeof createState>;

/** The chosen neuron: its run, and its row in what is shown of that. */
export interface Chosen {
  run: number;
  neuron: number;
  row: number;
}

/** Milliseconds between two requests for stills: a key that is held down asks for many. */
const OFTEN = 1000;
/** Milliseconds without a picture after which training counts as stopped. */
const SILENCE = 15_000;

export function createState(model: Model, lifetime: AbortSignal, host?: Host) {
  const trait = traitsOf<ToyLabTraits>(model, lifetime);
  const configs = trait("_configs");
  const running = trait("running");
  const checkpoint = trait("checkpoint");
  const runIndex = trait("run_index");
  const neuron = trait("neuron");
  const feature = trait("feature");
  const status = trait("status");
  const explorer = trait("_explorer");
  const splitOf = trait("_split_of");
  const bytes = trait("_picture");
  const stillBytes = trait("_checkpoints");
  const requests = requestsOf<ToyLabRequest>(model, status, lifetime);

  const kept = computed<Still[][]>(() => readCheckpoints(stillBytes.value));
  const runs = computed<Run[]>(() => readPicture(bytes.value, kept.value));
  /** Of each run the stills of this training: one that started over has left the others behind. */
  const stills = computed<Still[][]>(() =>
    runs.value.map(({ now, steps }, r) =>
      (kept.value[r] ?? []).filter(
        (still) =>
          (still.step === now.step || still.step === lastKept(still.step, steps)) &&
          still.step <= now.step &&
          still.neurons === now.neurons &&
          still.features === now.features,
      ),
    ),
  );
  /** Where training is, and where it ends. */
  const step = computed(() => Math.max(0, ...runs.value.map(({ now }) => now.step)));
  const steps = computed(() => Math.max(1, ...runs.value.map((run) => run.steps)));
  /** The steps of the stills before that, ascending. */
  const places = computed<number[]>(() => {
    const all = new Set(stills.value.flatMap((own) => own.map((still) => still.step)));
    return [...all].filter((place) => place < step.value).sort((a, b) => a - b);
  });
  /** The order of each run that is held; null: each moment has its own. */
  const held = signal<Order[] | null>(null);
  const shown = computed<Still[]>(() =>
    runs.value.map(({ now }, r) => {
      // The kernel does not send the earliest stills of large models.
      const runStills = stills.value[r];
      const still =
        checkpoint.value === null
          ? now
          : (stillAt(runStills, checkpoint.value) ?? runStills[0] ?? now);
      const order = held.value?.[r];
      return order ? inOrder(still, order) : still;
    }),
  );
  const biases = computed(() => histogram(shown.value));
  const shownStep = computed(() => Math.min(checkpoint.value ?? step.value, step.value));

  const chosen = computed<Chosen | null>(() => {
    if (neuron.value === null) return null;
    const row = shown.value[runIndex.value]?.neuronOf.indexOf(neuron.value) ?? -1;
    return row < 0 ? null : { run: runIndex.value, neuron: neuron.value, row };
  });

  /** What the screen shows, in words. */
  const said = computed(() => {
    const after = `After ${grouped(shownStep.value)} steps`;
    const all = shown.value.map(
      (still, r) =>
        `${runs.value[r].name}: ${grouped(still.monosemantic)} of ${grouped(still.neurons)} neurons monosemantic`,
    );
    return all.length ? `${after}: ${all.join("; ")}.` : "";
  });

  const setCheckpoint = perFrame<number | null>(lifetime, (value) => {
    if (value !== checkpoint.value) checkpoint.set(value);
  });
  /** At most one change of the choice per frame: a key held down asks for many. */
  const choose = perFrame<Record<string, unknown>>(lifetime, (values) => change(model, values));

  let touched = -OFTEN;

  /** Why a field refused its text; until the next request. */
  const problem = signal<Shown | null>(null);
  const request = (message: ToyLabRequest) => {
    problem.value = null;
    requests.request(message);
  };
  const complain = (text: string) => {
    problem.value = { state: "error", text, progress: 1 };
  };

  /** Pixels. The heatmaps take what the window has. */
  const windowHeight = signal(window.innerHeight);
  const measure = () => {
    windowHeight.value = window.innerHeight;
  };
  window.addEventListener("resize", measure, { signal: lifetime });

  /** Whether the kernel says that it trains, but has sent no picture for `SILENCE`. */
  const silent = signal(false);
  let patience: ReturnType<typeof setTimeout> | undefined;
  const stop = effect(() => {
    clearTimeout(patience);
    silent.value = false;
    if (bytes.value && running.value) {
      patience = setTimeout(() => {
        silent.value = true;
      }, SILENCE);
    }
  });
  lifetime.addEventListener("abort", () => {
    stop();
    clearTimeout(patience);
  });

  return {
    configs,
    running: computed(() => running.value && !silent.value && !requests.gone.value),
    checkpoint,
    feature,
    explorer,
    splitOf,
    runs,
    count: computed(() => runs.value.length),
    stills,
    step,
    steps,
    places,
    shown,
    biases,
    shownStep,
    windowHeight,
    chosen,
    runIndex,
    neuron,
    said,

    /** Whether rows and columns keep their places while the steps pass. */
    orderHeld: computed(() => held.value !== null),
    holdOrder(on: boolean) {
      held.value = on
        ? shown.value.map(({ neuronOf, featureOf }) => ({ neuronOf, featureOf }))
        : null;
    },

    /** At most once per frame. */
    setCheckpoint,
    /** The stills may be of an earlier pause, or not be there yet. */
    touchCheckpoints() {
      if (performance.now() - touched < OFTEN) return;
      const old = runs.value.some(
        ({ now, steps }, r) => (stills.value[r].at(-1)?.step ?? -1) < lastKept(now.step, steps),
      );
      if (!old) return;
      touched = performance.now();
      request({ type: "checkpoints.request" });
    },
    chooseNeuron(run: number, index: number) {
      choose({ run_index: run, neuron: index });
    },
    chooseFeature(index: number) {
      choose({ feature: index });
    },
    chooseCell(run: number, row: number, column: number) {
      const { neuronOf, featureOf } = shown.value[run];
      choose({ run_index: run, neuron: neuronOf[row], feature: featureOf[column] });
    },
    chooseNothing() {
      choose({ neuron: null, feature: null });
    },
    embed: (reference: string, box: HTMLElement, shown: AbortSignal) =>
      embed(model, host, reference, box, shown),

    ...requests,
    request,
    complain,
    status: computed(() => problem.value ?? requests.status.value),
  };
}
