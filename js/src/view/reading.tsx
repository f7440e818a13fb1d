/** Progress of the capture, on a line that keeps its height when it has ended. */
import { shareOf, spoken } from "../protocol/reading";
import type { CaptureProgress } from "../protocol/schema";
import "./reading.css";

export function ReadingLine({ reading, onStop }: { reading: CaptureProgress; onStop: () => void }) {
  const { state, text } = reading;
  const running = state === "running";
  const share = shareOf(reading);
  return (
    <div class={`nw-reading nw-${state}`}>
      <span class="nw-said-now" title={text}>
        {text}
      </span>
      {running && (
        <button type="button" aria-label="stop reading, keep what was read" onClick={onStop}>
          stop
        </button>
      )}
      {running && (
        <div
          class="nw-read"
          role="progressbar"
          aria-label="samples read"
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={share === null ? undefined : Math.floor(share * 100)}
        >
          <i style={{ width: `${(share ?? 0) * 100}%` }} />
        </div>
      )}
      <p class="nw-hidden" role="status">
        {spoken(reading)}
      </p>
    </div>
  );
}
