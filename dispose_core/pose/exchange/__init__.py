"""Poses as Python objects on the wires of other packs: `DWPOSES` and `POSEDATA`."""
