"""Encoders that run once per sequence: motion embedding, point residuals, pose latents."""
