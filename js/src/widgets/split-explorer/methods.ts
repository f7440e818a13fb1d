/** The methods of splitting, as people read them. */

/** Methods whose metric can be chosen. */
export const METRIC = new Set(["ward", "average", "complete", "single"]);

/** Names of methods that differ from their titles. */
export const TITLES: Record<string, string> = { ward: "Ward", kmeans: "k-means" };
