/** Motion Field and Motion Preview show their last run. */

import { app } from "../../../scripts/app.js";
import { motionView } from "./views/motion.js";
import { nodeView } from "./views/node_view.js";

app.registerExtension(
  nodeView({
    name: "dispose.MotionView",
    nodes: ["DisPoseMotionField", "DisPoseMotionPreview"],
    key: "dispose_motion",
    open: motionView,
  }),
);
