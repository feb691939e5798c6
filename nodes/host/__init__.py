"""What touches ComfyUI itself: its progress bar, its folders, its models."""
