/** A widget's frame, which says what the widget is to those who do not see it. */
import type { ComponentChildren } from "preact";
import "./frame.css";

interface Props {
  label: string;
  /** The colour of what is chosen. */
  accent?: string;
  children: ComponentChildren;
}

export function Frame({ label, accent, children }: Props) {
  return (
    <section
      class="nw-frame"
      aria-label={label}
      style={accent ? { "--nw-accent": accent } : undefined}
    >
      {children}
    </section>
  );
}
