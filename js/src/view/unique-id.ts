/** A name for one group of radio buttons: Preact's `useId` starts again in every widget of a page. */
import { useMemo } from "preact/hooks";

export const useUniqueId = (): string =>
  useMemo(() => `nw-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`, []);
