/** A widget's first line: its title, its main controls, and at the right the facts. */
import type { ComponentChildren } from "preact";
import "./header.css";

interface Props {
  title: string;
  facts: ComponentChildren;
  children: ComponentChildren;
}

export function Header({ title, facts, children }: Props) {
  return (
    <header class="nw-header">
      <h2>{title}</h2>
      {children}
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
