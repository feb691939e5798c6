"""Connection types of the nodes that ComfyUI does not define."""

from comfy_api.latest import io

# List of OpenPose dicts, one per frame, as exchanged by pose nodes of many packs.
PoseKeypoint = io.Custom("POSE_KEYPOINT")
# Poses of ComfyUI-SCAIL-Pose and of ComfyUI-WanAnimatePreprocess: `pose/exchange` in the library.
DwPoses = io.Custom("DWPOSES")
PoseData = io.Custom("POSEDATA")
PoseDetector = io.Custom("DISPOSE_POSE_DETECTOR")
# A densifier; DISPOSE_CMP in graphs of earlier versions.
Densifier = io.Custom("DISPOSE_DENSIFIER")
MotionField = io.Custom("DISPOSE_MOTION_FIELD")
KeypointFeatures = io.Custom("DISPOSE_KEYPOINT_FEATURES")
# (n, H, W, 2) float32 (dx, dy) pixels, as used by comfyui_controlnet_aux. Since May 2026 ComfyUI's
# own nodes use the name for a RAFT model; keeping it keeps graphs with ControlNet Aux working.
OpticalFlow = io.Custom("OPTICAL_FLOW")
# {track_path: (T, N, 2) pixels, track_visibility: (T, N) bool}. Older ComfyUIs do not name it.
Tracks = getattr(io, "Tracks", None) or io.Custom("TRACKS")
# PoseNet in a ModelPatcher.
PoseNet = io.Custom("DISPOSE_POSE_NET")
