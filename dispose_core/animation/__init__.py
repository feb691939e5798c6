"""The whole job from files to files: settings, model files, one clip, many clips.

`settings` is light; the others stand on torch, diffusers and PyAV: import them where they are used.
"""
