"""Videos in and out: files, file-like objects, folders of pictures, animated GIF and WebP.

Frames are (H, W, 3) uint8 RGB arrays, one at a time: memory does not grow with the clip.
"""

from .read import VideoInfo, count_frames, probe, read_audio, read_frames
from .write import write_video

__all__ = ["VideoInfo", "count_frames", "probe", "read_audio", "read_frames", "write_video"]
