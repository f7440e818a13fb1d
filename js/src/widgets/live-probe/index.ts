/** LiveProbe: the front end of `neuronwidgets/widgets/live_probe/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { LiveProbe } from "./view";

export default widget("nw-live-probe", createState, LiveProbe);
