/** RangeExplorer: the front end of `neuronwidgets/widgets/range_explorer/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { RangeExplorer } from "./view";

export default widget("nw-range-explorer", createState, RangeExplorer);
