/** A widget's first line: its title, its main controls, and at the right the facts. */
import type { ComponentChildren } from "preact";
import { CopyButton } from "./copy-button";
import "./header.css";
import { NeedsKernel } from "./needs-kernel";

interface Props {
  title: string;
  facts: ComponentChildren;
  /** Whether the kernel, which answers the controls, does not. */
  gone: boolean;
  /** The Python lines that rebuild what is on the screen. */
  code?: () => string;
  children: ComponentChildren;
}

export function Header({ title, facts, gone, code, children }: Props) {
  return (
    <header class="nw-header">
      <h2>{title}</h2>
      <NeedsKernel gone={gone}>{children}</NeedsKernel>
      <span class="nw-facts">
        <span class="nw-quiet">{facts}</span>
        {code && (
          <CopyButton
            text="copy as code"
            title="Copy the Python lines that rebuild this?"
            content={code}
          />
        )}
      </span>
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
