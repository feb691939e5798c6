"""The only place that imports comfy.*: our objects as ComfyUI wants them, and back."""
