"""Installs OpenCV where there is none; ComfyUI's manager runs this once, after requirements.txt.

OpenCV is published as four packages that write into the same folder: installing one beside another
breaks both, and pip cannot be told that any of the four will do. So requirements.txt names none of
them, and whichever the user has is kept. The nodes themselves never install anything.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys

# The one without windows, which a server does not need.
PACKAGE = "opencv-python-headless>=4.8"
KINDS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def main() -> int:
    opencv = importlib.util.find_spec("cv2")
    if opencv is not None and opencv.origin is not None:  # not a folder that one has left
        print(f"DisPose: uses the OpenCV that is here ({' and '.join(installed()) or 'cv2'}).")
        return 0
    pip = ["pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
    print(f"DisPose: there is no OpenCV yet; installing {PACKAGE}.", flush=True)
    return subprocess.call([sys.executable, "-m", *pip, "install", PACKAGE])


def installed() -> list[str]:
    """The installed packages that contain OpenCV, with their versions."""
    found = []
    for name in KINDS:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main())
