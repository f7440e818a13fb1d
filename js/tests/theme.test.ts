import { afterEach, expect, it, vi } from "vitest";
import { themeOf } from "../src/model/theme";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("follows the page into high contrast and back, where no stylesheet changes", () => {
  const media = new Map<string, EventTarget>();
  const styles = { "--nw-ink": "#111", "--nw-paper": "#fff" };
  vi.stubGlobal("document", { body: { dataset: {} }, documentElement: {}, head: {} });
  vi.stubGlobal(
    "MutationObserver",
    class {
      observe() {}
      disconnect() {}
    },
  );
  vi.stubGlobal("requestAnimationFrame", () => 0);
  vi.stubGlobal("matchMedia", (query: string) => {
    const list = media.get(query) ?? new EventTarget();
    media.set(query, list);
    return list;
  });
  vi.stubGlobal("getComputedStyle", () => ({
    getPropertyValue: (name: keyof typeof styles) => styles[name] ?? "",
  }));
  const closing = new AbortController();
  const theme = themeOf({} as HTMLElement, closing.signal);
  expect(theme.value).toMatchObject({ ink: "#111", paper: "#fff" });

  Object.assign(styles, { "--nw-ink": "CanvasText", "--nw-paper": "Canvas" });
  media.get("(forced-colors: active)")?.dispatchEvent(new Event("change"));
  expect(theme.value).toMatchObject({ ink: "CanvasText", paper: "Canvas" });

  Object.assign(styles, { "--nw-ink": "#000" });
  media.get("(prefers-contrast: more)")?.dispatchEvent(new Event("change"));
  expect(theme.value.ink).toBe("#000");

  closing.abort();
  Object.assign(styles, { "--nw-ink": "#111" });
  media.get("(forced-colors: active)")?.dispatchEvent(new Event("change"));
  expect(theme.value.ink).toBe("#000");
});
