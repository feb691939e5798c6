"""What runs once a clip: motion embedding, point residuals, pose latents, control hints."""
