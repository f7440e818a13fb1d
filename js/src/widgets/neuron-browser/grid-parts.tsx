/** Rows and cells of the grid. A `<table>` cannot place the rows that it draws. */
import type { HTMLAttributes } from "preact";

type Props = Omit<HTMLAttributes<HTMLDivElement>, "role" | "class"> & {
  class?: string;
  "data-neuron"?: number;
};

export function Cell({ class: name, ...props }: Props) {
  // biome-ignore lint/a11y: the row's buttons have the focus, and rows are no <tr>
  return <div role="gridcell" class={`nw-grid-cell ${name ?? ""}`} {...props} />;
}

export function HeadCell({ class: name, ...props }: Props) {
  // biome-ignore lint/a11y: its button has the focus
  return <div role="columnheader" class={`nw-head-cell ${name ?? ""}`} {...props} />;
}

export function GridRow({ class: name, ...props }: Props) {
  // biome-ignore lint/a11y: the row's buttons have the focus
  return <div role="row" class={`nw-grid-row ${name ?? ""}`} {...props} />;
}

export function RowGroup({ class: name, ...props }: Props) {
  // biome-ignore lint/a11y: rows are no <tr>
  return <div role="rowgroup" class={name ?? ""} {...props} />;
}
