/** The messages of ToyLab: toy models as they are now, and their checkpoints. */
import { type Packed, unpack } from "./safetensors";
import {
  CHECKPOINTS,
  type CheckpointsArrays,
  type CheckpointsMeta,
  type Counts,
  RUNS,
  type RunMeta,
  type RunsArrays,
  type RunsMeta,
} from "./schema";

/** A model after some step. */
export interface Still extends Counts, Pick<RunMeta, "neurons" | "features"> {
  /** `neurons x features`, sorted: the monosemantic neurons lie along the diagonal. */
  A: Int8Array;
  /** The neuron of each row, and the feature of each column. */
  neuronOf: Int32Array;
  featureOf: Int32Array;
  /** The bias of each neuron. */
  bias: Float32Array;
  /** Each neuron's largest response over the sum of its responses; 0: dead. */
  share: Float32Array;
}

/** How training went, entry by entry. */
export interface Log {
  step: Int32Array;
  loss: Float64Array;
  monosemantic: Int32Array;
  bias: Float64Array;
}

/** One run of the message `runs`, decoded. */
export interface Run
  extends Pick<RunMeta, "name" | "color" | "title" | "steps" | "speed" | "left" | "done"> {
  now: Still;
  log: Log;
}

/** The arrays of a model, which both messages have. */
type StillArrays = Pick<RunsArrays, "A" | "neurons" | "features" | "bias" | "share">;

/** The stills of run `r`, one after the other in its arrays. */
function stillsOf<Arrays extends StillArrays>(
  packed: Packed<Arrays, unknown>,
  r: number,
  counts: Counts[],
): Still[] {
  const [k, n] = packed.shape("A", r).slice(-2);
  const A = packed.tensor("A", r);
  const neuronOf = packed.tensor("neurons", r);
  const featureOf = packed.tensor("features", r);
  const bias = packed.tensor("bias", r);
  const share = packed.tensor("share", r);
  return counts.map((count, i) => ({
    ...count,
    neurons: k,
    features: n,
    A: A.subarray(i * k * n, (i + 1) * k * n),
    neuronOf: neuronOf.subarray(i * k, (i + 1) * k),
    featureOf: featureOf.subarray(i * n, (i + 1) * n),
    bias: bias.subarray(i * k, (i + 1) * k),
    share: share.subarray(i * k, (i + 1) * k),
  }));
}

/** The runs as they are now; `kept` are the checkpoints that came along. */
export function readPicture(view: DataView | null, kept: Still[][]): Run[] {
  const packed = unpack<RunsArrays, RunsMeta>(view, RUNS);
  if (!packed) return [];
  return packed.meta.runs.map((meta, r) => ({
    name: meta.name,
    color: meta.color,
    title: meta.title,
    steps: meta.steps,
    speed: meta.speed,
    left: meta.left ?? null,
    done: meta.done,
    now: meta.kept ? (kept[r].at(-1) as Still) : stillsOf(packed, r, [meta])[0],
    log: {
      step: packed.tensor("log_step", r),
      loss: packed.tensor("log_loss", r),
      monosemantic: packed.tensor("log_mono", r),
      bias: packed.tensor("log_bias", r),
    },
  }));
}

/** The checkpoints of each run, by step. */
export function readCheckpoints(view: DataView | null): Still[][] {
  const packed = unpack<CheckpointsArrays, CheckpointsMeta>(view, CHECKPOINTS);
  if (!packed) return [];
  return packed.meta.runs.map(({ stills }, r) =>
    stills.length ? stillsOf(packed, r, stills) : [],
  );
}
