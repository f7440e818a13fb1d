/** A widget's frame, which says what the widget is to those who do not see it. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import "./frame.css";

interface Props {
  label: string;
  /** The colour of what is chosen. */
  accent?: string;
  children: ComponentChildren;
}

export function Frame({ label, accent, children }: Props) {
  const self = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const frame = self.current as HTMLElement;
    const name = () => frame.setAttribute("aria-label", unlike(othersOf(frame), label));
    // It gets a size when it enters the page, which may be after it was made.
    const watch = new ResizeObserver(name);
    watch.observe(frame);
    return () => watch.disconnect();
  }, [label]);
  return (
    <section
      ref={self}
      class="nw-frame"
      aria-label={label}
      style={accent ? { "--nw-accent": accent } : undefined}
    >
      {children}
    </section>
  );
}

/** The labels of the other frames on the page. */
function othersOf(frame: HTMLElement): Set<string | null> {
  const page = frame.getRootNode() as Document | ShadowRoot;
  const all = [...page.querySelectorAll(".nw-frame")];
  return new Set(all.filter((one) => one !== frame).map((one) => one.getAttribute("aria-label")));
}

/** A label that none of the others has: landmarks of one name cannot be told apart. */
export function unlike(others: ReadonlySet<string | null>, label: string): string {
  let [name, number] = [label, 1];
  while (others.has(name)) name = `${label} ${++number}`;
  return name;
}
