"""The wire types of our nodes that ComfyUI has no class for."""

from comfy_api.latest import io

# The list of OpenPose dicts, one a frame, that pose nodes of many packs exchange.
PoseKeypoint = io.Custom("POSE_KEYPOINT")
PoseDetector = io.Custom("DISPOSE_POSE_DETECTOR")
# What spreads the motion; DISPOSE_CMP in graphs of earlier versions.
Densifier = io.Custom("DISPOSE_DENSIFIER")
MotionField = io.Custom("DISPOSE_MOTION_FIELD")
KeypointFeatures = io.Custom("DISPOSE_KEYPOINT_FEATURES")
# (n, H, W, 2) float32 (dx, dy) pixels, as the nodes of comfyui_controlnet_aux exchange it.
OpticalFlow = io.Custom("OPTICAL_FLOW")
# PoseNet in ComfyUI's hands: a ModelPatcher.
PoseNet = io.Custom("DISPOSE_POSE_NET")
