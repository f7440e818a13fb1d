/** SplitExplorer: the front end of `neuronwidgets/widgets/split_explorer.py`. */
import { h, render } from "preact";
import { keepKeys } from "../../model/keys";
import type { Model } from "../../model/model";
import { createState } from "./state";
import "../../view/theme.css";
import "./style.css";
import { SplitExplorer } from "./view";

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const lifetime = new AbortController();
    const root = document.createElement("div");
    root.className = "nw nw-split-explorer";
    el.append(root);
    keepKeys(root, lifetime.signal);
    const state = createState(model, lifetime.signal);
    render(h(SplitExplorer, { state, root, lifetime: lifetime.signal }), root);
    return () => {
      lifetime.abort();
      render(null, root);
      root.remove();
    };
  },
};
