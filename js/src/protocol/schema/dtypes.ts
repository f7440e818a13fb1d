/**
 * What the kernel and the views send each other: `dtypes`.
 *
 * Generated from `neuronwidgets/widgets/protocol` by
 * `python -m neuronwidgets.widgets.protocol.generate`. Do not edit.
 */

/** The typed array of each dtype of the safetensors format. */
export const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

export type Dtype = keyof typeof ARRAYS;
