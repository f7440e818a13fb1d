/** The page's theme: a mark for stylesheets, and colours as canvas needs them. */
import { type Signal, signal } from "@preact/signals";

export interface Theme {
  ink: string;
  quiet: string;
  faint: string;
  hair: string;
  paper: string;
}

/** Whether the page that `root` is in is dark. */
function isDark(root: HTMLElement): boolean {
  // As print.css has it.
  if (matchMedia("print").matches) return false;
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight !== undefined) return jpThemeLight === "false";
  if (vscodeThemeKind !== undefined) return !vscodeThemeKind.endsWith("light");
  // marimo and most sites set color-scheme, which is inherited into shadow roots.
  const scheme = getComputedStyle(root.isConnected ? root : document.body).colorScheme;
  if (scheme === "dark" || scheme === "light") return scheme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Call `act` now and whenever the page may have changed its theme. */
function onTheme(lifetime: AbortSignal, act: () => void): void {
  act();
  const soon = () => requestAnimationFrame(() => lifetime.aborted || act());
  // JupyterLab marks its theme on the body and swaps its stylesheet a moment later.
  const watch = new MutationObserver(soon);
  const what = { attributes: true, childList: true };
  watch.observe(document.body, what);
  watch.observe(document.documentElement, what);
  watch.observe(document.head, { childList: true, subtree: true });
  // High contrast and paper have colours of their own, and no stylesheet comes or goes.
  for (const media of [
    "(prefers-color-scheme: dark)",
    "(prefers-contrast: more)",
    "(forced-colors: active)",
    "print",
  ])
    matchMedia(media).addEventListener("change", act, { signal: lifetime });
  lifetime.addEventListener("abort", () => watch.disconnect());
  // The element gets its styles when it enters the page.
  soon();
}

/**
 * Keep `data-nw-theme` of a widget's root ("light" or "dark") as the page is. Stylesheets ask for
 * it: in a shadow root (marimo) their selectors reach nothing outside of the root.
 */
export function markTheme(root: HTMLElement, lifetime: AbortSignal): void {
  onTheme(lifetime, () => {
    root.dataset.nwTheme = isDark(root) ? "dark" : "light";
  });
}

/** The colours of a widget whose theme is marked. */
export function themeOf(root: HTMLElement, lifetime: AbortSignal): Signal<Theme> {
  const read = (): Theme => {
    const style = getComputedStyle(root);
    const get = (name: string, other: string) => style.getPropertyValue(name).trim() || other;
    return {
      ink: get("--nw-ink", "#1a1a1a"),
      quiet: get("--nw-quiet", "#667"),
      faint: get("--nw-line", "#ccc"),
      hair: get("--nw-hair", "#e3e5e9"),
      paper: get("--nw-paper", "#fff"),
    };
  };
  const theme = signal(read());
  onTheme(lifetime, () => {
    const next = read();
    if (JSON.stringify(next) !== JSON.stringify(theme.value)) theme.value = next;
  });
  return theme;
}
