/** The messages of ToyLab: toy models as they are, and as they were. */
import { type Packed, unpack } from "./safetensors";

export type Knob =
  | "features"
  | "dims"
  | "neurons"
  | "eps"
  | "distribution"
  | "task"
  | "nonlinearity"
  | "bias"
  | "decay"
  | "l1"
  | "learning_rate"
  | "cycle"
  | "batch"
  | "steps"
  | "seed"
  | "optimizer";

export type Config = Record<Knob, number | string> & { preset: string };

/** What is counted of a model. */
export interface Counts {
  step: number;
  /** The activation that 127 stands for. */
  peak: number;
  monosemantic: number;
  /** How many of them hardly respond: under a tenth of the strongest neuron. */
  faint: number;
  covered: number;
  dead: number;
  /** Whether some of its numbers are no numbers any more. */
  diverged: boolean;
  meanBias: number | null;
  /** As a share of the best linear map's. */
  loss: number | null;
}

/** A model after some step. */
export interface Still extends Counts {
  neurons: number;
  features: number;
  /** `neurons x features`, sorted: the monosemantic neurons lie along the diagonal. */
  A: Int8Array;
  /** The neuron of each row, and the feature of each column. */
  neuronOf: Int32Array;
  featureOf: Int32Array;
  /** By neuron. */
  bias: Float32Array;
  /** By neuron: its largest response as a share of all. */
  share: Float32Array;
}

/** How training went, entry by entry. */
export interface Log {
  step: Int32Array;
  loss: Float64Array;
  monosemantic: Int32Array;
  bias: Float64Array;
}

export interface Run {
  name: string;
  color: string;
  title: string;
  steps: number;
  /** Steps per second, 0 when unknown. */
  speed: number;
  done: boolean;
  now: Still;
  log: Log;
}

/** Messages from the view to the kernel. */
export type Request =
  | { type: "train.run" | "train.pause" | "train.step" | "train.double" | "train.reset" }
  | { type: "config.request"; run: number; knobs: Partial<Record<Knob, number | string>> }
  | { type: "preset.request"; run: number; name: string }
  | { type: "compare.request"; on: boolean }
  | { type: "checkpoints.request" | "split.request" | "split.close" | "job.cancel" };

/** `kept`: the model is the run's last still among the checkpoints. */
type RunMeta = Counts &
  Omit<Run, "now" | "log"> & { features: number; neurons: number; kept?: boolean };

/** The stills of run `r`, one after the other in its arrays. */
function stillsOf(packed: Packed, r: number, counts: Counts[]): Still[] {
  const shape = packed.shape(`A${r}`);
  const [k, n] = shape.slice(-2);
  const A = packed.tensor(`A${r}`, Int8Array);
  const neuronOf = packed.tensor(`neurons${r}`, Int32Array);
  const featureOf = packed.tensor(`features${r}`, Int32Array);
  const bias = packed.tensor(`bias${r}`, Float32Array);
  const share = packed.tensor(`share${r}`, Float32Array);
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

/** The runs of a picture, which came with these checkpoints. */
export function readPicture(view: DataView | null, kept: Still[][]): Run[] {
  const packed = unpack(view);
  if (!packed) return [];
  return (packed.meta.runs as RunMeta[]).map((meta, r) => ({
    name: meta.name,
    color: meta.color,
    title: meta.title,
    steps: meta.steps,
    speed: meta.speed,
    done: meta.done,
    now: meta.kept ? (kept[r].at(-1) as Still) : stillsOf(packed, r, [meta])[0],
    log: {
      step: packed.tensor(`log_step${r}`, Int32Array),
      loss: packed.tensor(`log_loss${r}`, Float64Array),
      monosemantic: packed.tensor(`log_mono${r}`, Int32Array),
      bias: packed.tensor(`log_bias${r}`, Float64Array),
    },
  }));
}

/** The stills of each run, by step. */
export function readCheckpoints(view: DataView | null): Still[][] {
  const packed = unpack(view);
  if (!packed) return [];
  const runs = packed.meta.runs as { stills: Counts[] }[];
  return runs.map(({ stills }, r) => (stills.length ? stillsOf(packed, r, stills) : []));
}
