/** A widget in the form that anywidget expects: one tree of components per view. */
import "./theme.css";
import "./forced-colors.css";
import { type ComponentType, h, render } from "preact";
import { keepKeys } from "../model/keys";
import type { Model } from "../model/model";
import { present } from "../model/presence";

interface Props<State> {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function widget<State>(
  name: string,
  createState: (model: Model, lifetime: AbortSignal) => State,
  View: ComponentType<Props<State>>,
) {
  return {
    render({ model, el }: { model: Model; el: HTMLElement }) {
      const lifetime = new AbortController();
      const root = document.createElement("div");
      root.className = `nw ${name}`;
      el.append(root);
      keepKeys(root, lifetime.signal);
      present(model, lifetime.signal);
      const state = createState(model, lifetime.signal);
      render(h(View, { state, root, lifetime: lifetime.signal }), root);
      return () => {
        lifetime.abort();
        render(null, root);
        root.remove();
      };
    },
  };
}
