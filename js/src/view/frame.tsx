/** A widget's frame, which says what the widget is to those who do not see it. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { give, take } from "./frame-numbers";
import "./frame.css";

interface Props {
  label: string;
  /** The colour of what is chosen. */
  accent?: string;
  children: ComponentChildren;
}

export function Frame({ label, accent, children }: Props) {
  const number = useMemo(() => take(label), [label]);
  useEffect(() => () => give(label, number), [label, number]);
  return (
    <section
      class="nw-frame"
      aria-label={number > 1 ? `${label} ${number}` : label}
      style={accent ? { "--nw-accent": accent } : undefined}
    >
      {children}
    </section>
  );
}
