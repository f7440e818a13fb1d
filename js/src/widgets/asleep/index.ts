/** Stands in for a widget that no page showed: its view asks the kernel for the whole widget. */
import type { Model } from "../../model/model";
import { present } from "../../model/presence";

/** Milliseconds within which a live kernel answers, unless it is busy. */
const PATIENCE = 1000;

export default {
  render({ model, el }: { model: Model; el: HTMLElement }) {
    const lifetime = new AbortController();
    const line = document.createElement("p");
    line.setAttribute("role", "status");
    el.append(line);
    const timer = setTimeout(() => {
      line.textContent =
        "This view was not on the page, and the kernel has it. If the kernel is busy, it comes when that is done; if there is none, run the cell again.";
    }, PATIENCE);
    present(model, lifetime.signal);
    return () => {
      clearTimeout(timer);
      lifetime.abort();
      line.remove();
    };
  },
};
