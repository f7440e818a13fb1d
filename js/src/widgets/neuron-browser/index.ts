/** NeuronBrowser: the front end of `neuronwidgets/widgets/neuron_browser/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { NeuronBrowser } from "./view";

export default widget("nw-neuron-browser", createState, NeuronBrowser);
