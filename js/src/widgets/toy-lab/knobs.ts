/** The knobs of a run: what each is called, what it is, and how its value is written. */
import { typed } from "../../core/scale";
import type { Knob } from "../../protocol/schema";

export interface Described {
  name: Knob;
  label: string;
  title: string;
  /** For knobs that are one of a few words: as the kernel and as a person says them. */
  choices?: [value: string, text: string][];
}

const preset = (value: string, title: string) => ({ value, text: value, title });

export const PRESETS = [
  preset("zero bias", "the ordinary start: biases of mean 0"),
  preset("negative bias", "biases start at −1 and decay over the first half of training"),
  preset("more neurons", "the negative start with eight neurons per feature"),
];

/** What a group of knobs is about: those that are always there, and those behind "more settings". */
export interface Group {
  title: string;
  main: Described[];
  more: Described[];
}

export const GROUPS: Group[] = [
  {
    title: "Data",
    main: [
      { name: "features", label: "features", title: "N, how many features there are" },
      {
        name: "eps",
        label: "sparsity",
        title: "eps, how often a feature is present, as 1/64 or 0.0156: the less, the sparser",
      },
    ],
    more: [
      {
        name: "distribution",
        label: "distribution",
        title: "whether all features are as likely, or feature i in proportion to i^−1.1",
        choices: [
          ["equal", "equal"],
          ["power_law", "power law"],
        ],
      },
      {
        name: "task",
        label: "task",
        title:
          "decoder: recover the features; re-projector: embed them anew; absolute: their absolute values",
        choices: [
          ["decoder", "decoder"],
          ["reprojector", "re-projector"],
          ["absolute", "absolute"],
        ],
      },
    ],
  },
  {
    title: "Model",
    main: [
      { name: "neurons", label: "neurons", title: "k, width of the hidden layer" },
      { name: "dims", label: "dims", title: "m, width of the input, at most the features" },
    ],
    more: [
      {
        name: "nonlinearity",
        label: "nonlinearity",
        title: "of the hidden layer",
        choices: [
          ["relu", "ReLU"],
          ["gelu", "GELU"],
          ["solu", "SoLU"],
        ],
      },
    ],
  },
  {
    title: "Training",
    main: [
      {
        name: "learning_rate",
        label: "rate",
        title: "learning rate, the highest of the cosine schedule: 0.001 to 0.03 in the paper",
      },
      {
        name: "decay",
        label: "decay",
        title:
          "how fast biases decay in the first half: each step takes this share times the learning rate",
      },
      { name: "bias", label: "start bias", title: "mean of the initial biases: 0 or −1" },
    ],
    more: [
      { name: "l1", label: "L1", title: "weight of the sum of absolute activations in the loss" },
      {
        name: "cycle",
        label: "cycle",
        title: "steps from the highest learning rate to 0; as many lead back",
      },
      { name: "batch", label: "batch", title: "samples per step" },
      {
        name: "optimizer",
        label: "optimizer",
        title: "LAMB is the paper’s; Adam needs smaller learning rates",
        choices: [
          ["lamb", "LAMB"],
          ["adam", "Adam"],
        ],
      },
    ],
  },
  {
    title: "Run",
    main: [
      { name: "steps", label: "steps", title: "steps of training" },
      { name: "seed", label: "seed", title: "of the embedding, the initial weights and the data" },
    ],
    more: [],
  },
];

/** A knob's value as its field holds it. */
export function written(knob: Knob, value: number): string {
  const inverse = 1 / value;
  if (knob === "eps" && value < 1 && Math.abs(inverse - Math.round(inverse)) < 1e-6 * inverse)
    return `1/${Math.round(inverse)}`;
  return Math.abs(value) >= 1000 ? String(value) : typed(value).replace("-", "−");
}

/** What was typed into a field, or NaN: "−1", "0,01" and "1/64" are numbers too. */
export function readNumber(text: string): number {
  const parts = text.trim().replace("−", "-").split("/");
  if (parts.length > 2 || parts.some((part) => part.trim() === "")) return Number.NaN;
  // "1,000" is a thousand to some and one to others.
  if (/^-?[1-9]\d*,\d{3}$/.test(text.trim())) return Number.NaN;
  const value = parts.map((part) => Number(part.replace(",", "."))).reduce((a, b) => a / b);
  return Number.isFinite(value) ? value : Number.NaN;
}
