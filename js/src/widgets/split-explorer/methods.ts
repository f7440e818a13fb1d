/** The methods of splitting, as people read them. */

/** Methods whose metric can be chosen. */
export const METRIC = new Set(["ward", "average", "complete", "single"]);

/** What each tree tells apart. */
export const ABOUT: Record<string, string> = {
  ward: "By state: how the whole layer responds to the samples",
  attribution: "By cause: which neurons of the layer below excite this one",
  effect: "By effect: what this neuron changes in the model’s outputs",
};

/** Names of methods that differ from their titles. */
export const TITLES: Record<string, string> = { ward: "Ward", kmeans: "k-means" };
