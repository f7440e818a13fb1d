/** IntruderTest: the front end of `neuronwidgets/widgets/intruder_test/`. */
import { widget } from "../../view/mount";
import { createState } from "./state";
import { IntruderTest } from "./view";

export default widget("nw-intruder-test", createState, IntruderTest);
