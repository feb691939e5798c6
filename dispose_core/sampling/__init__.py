"""Sampling of the video model: windows, noise, schedule, conditioning, denoising, decoding."""
