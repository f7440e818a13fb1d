/** Another widget of the same kernel, shown inside of ours. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export type Embed = (reference: string, box: HTMLElement, shown: AbortSignal) => Promise<boolean>;

interface Props {
  /** "IPY_MODEL_" and a model id; another one needs another `key`. */
  reference: string;
  embed: Embed;
  /** Where else the widget can be seen, if the host does not show it here. */
  elsewhere: string;
}

export function Embedded({ reference, embed, elsewhere }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const problem = useSignal("");
  useEffect(() => {
    const shown = new AbortController();
    const end = (there: boolean) => {
      if (!there && !shown.signal.aborted) problem.value = elsewhere;
    };
    if (box.current) embed(reference, box.current, shown.signal).then(end, () => end(false));
    return () => shown.abort();
  }, []);
  return (
    <>
      {problem.value && <p class="nw-quiet">{problem.value}</p>}
      <div ref={box} />
    </>
  );
}
