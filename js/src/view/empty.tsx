/** What stands in a widget that has no data yet. */
import "./empty.css";

export function Empty() {
  return <p class="nw-empty">Nothing to show yet: run the cell that made this widget.</p>;
}
