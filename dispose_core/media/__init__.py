"""Reading and writing images and videos.

Video frames are (H, W, 3) uint8 RGB arrays, streamed one at a time.
"""
