"""From hints to pictures: windows, noise, the sampling loop, decoding.

Exported is what needs torch alone. `pipeline` stands on diffusers and transformers, which take
seconds to import: import it where it is used.
"""

from .clip_image import clip_picture
from .decode import DecodePass, decode_frames, to_uint8
from .noise import ClipNoise, clip_noise
from .windows import ContextWindows, context_windows

__all__ = [
    "ClipNoise",
    "ContextWindows",
    "DecodePass",
    "clip_noise",
    "clip_picture",
    "context_windows",
    "decode_frames",
    "to_uint8",
]
