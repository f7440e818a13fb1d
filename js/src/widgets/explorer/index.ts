/** Explorer: the front end of `neuronwidgets/widgets/explorer/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { Explorer } from "./view";

export default widget("nw-explorer", createState, Explorer);
