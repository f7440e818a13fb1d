/** ToyLab: the front end of `neuronwidgets/widgets/toy_lab.py`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import "../../view/theme.css";
import "./style.css";
import "./controls.css";
import "./curves.css";
import "./heat.css";
import "./detail.css";
import { ToyLab } from "./view";

export default widget("nw-toy-lab", createState, ToyLab);
