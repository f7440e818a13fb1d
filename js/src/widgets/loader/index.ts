/** Loads the code and the style that all widgets of a kind share: a page keeps all that it loads. */
import type { Host, Model } from "../../model/model";

interface Context {
  model: Model;
  el: HTMLElement;
  host?: Host;
  signal?: AbortSignal;
}

interface Module {
  default: { render(context: Context): unknown };
}

/** The model in the kernel's list. */
interface FrontEnd {
  get(name: "code" | "style"): string;
}

const KEY = Symbol.for("neuronwidgets.modules");
const modules: Map<string, Promise<Module>> = Reflect.get(globalThis, KEY) ?? new Map();
Reflect.set(globalThis, KEY, modules);

function moduleOf(code: string): Promise<Module> {
  const known = modules.get(code);
  if (known) return known;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const loaded: Promise<Module> = import(/* @vite-ignore */ url);
  modules.set(code, loaded);
  const done = () => URL.revokeObjectURL(url);
  loaded.then(done, () => {
    modules.delete(code);
    done();
  });
  return loaded;
}

/** Put the style into the page that shows the element, once. */
function style(text: string, { ownerDocument }: HTMLElement) {
  const there = Array.from(ownerDocument.querySelectorAll("style[data-neuronwidgets]"));
  if (there.some(({ textContent }) => textContent === text)) return;
  const sheet = ownerDocument.createElement("style");
  sheet.dataset.neuronwidgets = "";
  sheet.textContent = text;
  ownerDocument.head.append(sheet);
}

export default {
  async render(context: Context) {
    const { model, el, signal } = context;
    const id = String(model.get("_front")).replace(/^IPY_MODEL_/, "");
    let front: FrontEnd;
    let widget: Module["default"];
    try {
      front = (await model.widget_manager?.get_model(id)) as FrontEnd;
      widget = (await moduleOf(front.get("code"))).default;
    } catch (error) {
      console.warn("neuronwidgets:", error);
      const line = el.ownerDocument.createElement("p");
      line.setAttribute("role", "status");
      line.textContent = "This view's code is not on the page: run its cell again.";
      el.append(line);
      return () => line.remove();
    }
    if (signal?.aborted) return;
    style(front.get("style"), el);
    return widget.render(context);
  },
};
