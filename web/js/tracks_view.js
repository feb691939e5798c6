/** Motion Tracks shows the paths of its last run, and takes points that are clicked there. */

import { app } from "../../../scripts/app.js";
import { nodeView } from "./views/node_view.js";
import { tracksView } from "./views/tracks.js";

app.registerExtension(
  nodeView({
    name: "dispose.TracksView",
    nodes: ["DisPoseMotionTracks"],
    key: "dispose_tracks",
    open: tracksView,
  }),
);
