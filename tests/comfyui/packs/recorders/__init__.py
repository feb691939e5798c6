"""What only tests want of a run: values that no node shows, as files in the output folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import folder_paths


class RecordMotionField:
    CATEGORY, FUNCTION, OUTPUT_NODE = "tests", "record", True
    RETURN_TYPES = ()

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"motion_field": ("DISPOSE_MOTION_FIELD",), "name": ("STRING", {})}}

    def record(self, motion_field, name):
        # The module of the pack under test, whatever its folder is called.
        package = type(motion_field).__module__.rpartition(".")[0]
        save_field = import_module(f"{package}.field_file").save_field
        save_field(motion_field, Path(folder_paths.get_output_directory(), f"{name}.safetensors"))
        return {}


NODE_CLASS_MAPPINGS = {"RecordMotionField": RecordMotionField}
