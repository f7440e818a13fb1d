/** SplitExplorer: the front end of `neuronwidgets/widgets/split_explorer/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { SplitExplorer } from "./view";

export default widget("nw-split-explorer", createState, SplitExplorer);
