"""Images and videos in and out.

Video frames are (H, W, 3) uint8 RGB arrays, one at a time: memory does not grow with the clip.
"""
