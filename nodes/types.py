"""The wire types of our nodes that ComfyUI has no class for."""

from comfy_api.latest import io

# The list of OpenPose dicts, one a frame, that pose nodes of many packs exchange.
PoseKeypoint = io.Custom("POSE_KEYPOINT")
PoseDetector = io.Custom("DISPOSE_POSE_DETECTOR")
MotionField = io.Custom("DISPOSE_MOTION_FIELD")
