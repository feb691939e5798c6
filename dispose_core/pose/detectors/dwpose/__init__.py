"""DWPose: YOLOX finds people, a SimCC network their joints; ONNX or TorchScript."""
