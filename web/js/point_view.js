/** Keypoint Features shows where the joints of its last run are found again. */

import { app } from "../../../scripts/app.js";
import { nodeView } from "./views/node_view.js";
import { pointsView } from "./views/points.js";

app.registerExtension(
  nodeView({
    name: "dispose.PointView",
    nodes: ["DisPoseKeypointFeatures"],
    key: "dispose_points",
    open: pointsView,
  }),
);
