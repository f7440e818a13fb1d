/** A widget's first line: its title, its main controls, and at the right the facts. */
import type { ComponentChildren } from "preact";
import "./header.css";
import { NeedsKernel } from "./needs-kernel";

interface Props {
  title: string;
  facts: ComponentChildren;
  /** Whether the kernel, which answers the controls, does not. */
  gone: boolean;
  children: ComponentChildren;
}

export function Header({ title, facts, gone, children }: Props) {
  return (
    <header class="nw-header">
      <h2>{title}</h2>
      <NeedsKernel gone={gone}>{children}</NeedsKernel>
      <span class="nw-quiet nw-facts">{facts}</span>
    </header>
  );
}

export function OfLayer({ layer }: { layer: string }) {
  return (
    <span class="nw-quiet">
      of layer <b class="nw-layer">{layer}</b>
    </span>
  );
}
