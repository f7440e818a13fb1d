/** A widget in the form that anywidget expects: one tree of components per view. */
import "./theme.css";
import "./forced-colors.css";
import "./print.css";
import { type ComponentType, h, render } from "preact";
import { keepFocus } from "../model/focus";
import { keepKeys } from "../model/keys";
import type { Host, Model } from "../model/model";
import { present } from "../model/presence";
import { markTheme } from "../model/theme";

interface Props<State> {
  state: State;
  root: HTMLElement;
  lifetime: AbortSignal;
}

export function widget<State>(
  name: string,
  createState: (model: Model, lifetime: AbortSignal, host?: Host) => State,
  View: ComponentType<Props<State>>,
) {
  return {
    render({ model, el, host }: { model: Model; el: HTMLElement; host?: Host }) {
      const lifetime = new AbortController();
      const root = document.createElement("div");
      root.className = `nw ${name}`;
      el.append(root);
      markTheme(root, lifetime.signal);
      keepKeys(root, lifetime.signal);
      keepFocus(root, lifetime.signal);
      present(model, lifetime.signal);
      const state = createState(model, lifetime.signal, host);
      render(h(View, { state, root, lifetime: lifetime.signal }), root);
      return () => {
        lifetime.abort();
        render(null, root);
        root.remove();
      };
    },
  };
}
