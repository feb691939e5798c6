"""The networks of MediaPipe Holistic 0.10.21, run by LiteRT: body, hands and face of everyone."""
