"""Adapters between the library and ComfyUI; the only package that imports comfy.*."""
