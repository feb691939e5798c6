"""What only tests want of a run: values that no node shows, as files in the output folder."""

from __future__ import annotations

from pathlib import Path

import folder_paths


class RecordMotionField:
    CATEGORY, FUNCTION, OUTPUT_NODE = "tests", "record", True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion_field": ("DISPOSE_MOTION_FIELD",), "name": ("STRING", {})}}

    def record(self, motion_field, name):
        motion_field.save(Path(folder_paths.get_output_directory()) / f"{name}.npz")
        return {}


NODE_CLASS_MAPPINGS = {"RecordMotionField": RecordMotionField}
