/** Controls that do nothing without the kernel: off while it does not answer. */
import type { ComponentChildren } from "preact";
import "./needs-kernel.css";

export function NeedsKernel({ gone, children }: { gone: boolean; children: ComponentChildren }) {
  return (
    <fieldset class="nw-needs-kernel" role="none" disabled={gone}>
      {children}
    </fieldset>
  );
}
