/** ToyLab: the front end of `neuronwidgets/widgets/toy_lab/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { ToyLab } from "./view";

export default widget("nw-toy-lab", createState, ToyLab);
