/**
 * What the kernel and the views send each other.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

export * from "./schema/base";
export * from "./schema/browser";
export * from "./schema/dtypes";
export * from "./schema/effects";
export * from "./schema/explorer";
export * from "./schema/graph";
export * from "./schema/intruder";
export * from "./schema/lab";
export * from "./schema/library";
export * from "./schema/previews";
export * from "./schema/probe";
export * from "./schema/ranges";
export * from "./schema/reading";
export * from "./schema/sae";
export * from "./schema/scores";
export * from "./schema/split";
export * from "./schema/split_requests";
export * from "./schema/toy";
export * from "./schema/tree";
