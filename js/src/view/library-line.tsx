/** What the library holds that concepts on the screen are added to. */
import { counted } from "../core/scale";
import type { PinnedName } from "../protocol/schema";

/** Names that are written out. */
const NAMED = 6;

interface Props {
  kept: readonly PinnedName[];
  /** What a cell calls the widget. */
  variable: string;
}

export function LibraryContents({ kept, variable }: Props) {
  return (
    <p class="nw-quiet nw-small" role="status">
      {kept.length > 0 && (
        <>
          Library: {counted(kept.length, "concept")},{" "}
          <bdi>
            {kept
              .slice(-NAMED)
              .map(({ name }) => name)
              .join(" · ")}
          </bdi>
          . Keep it with <code>{variable}.library.save(path)</code>.
        </>
      )}
    </p>
  );
}
