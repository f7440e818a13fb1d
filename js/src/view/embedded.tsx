/** Another widget of the same kernel, shown inside of ours. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { WidgetView } from "../model/model";

interface Props {
  /** "IPY_MODEL_" and a model id; another one needs another `key`. */
  reference: string;
  embed: (reference: string) => Promise<WidgetView | null>;
  /** Where else the widget can be seen, if the host does not show it here. */
  elsewhere: string;
}

export function Embedded({ reference, embed, elsewhere }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const problem = useSignal("");
  useEffect(() => {
    let view: WidgetView | null = null;
    let gone = false;
    const show = (embedded: WidgetView | null) => {
      if (gone) embedded?.remove();
      else if (!embedded) problem.value = elsewhere;
      else {
        view = embedded;
        box.current?.append(embedded.el);
      }
    };
    embed(reference).then(show, () => show(null));
    return () => {
      gone = true;
      view?.remove();
    };
  }, []);
  return (
    <>
      {problem.value && <p class="nw-quiet">{problem.value}</p>}
      <div ref={box} />
    </>
  );
}
