"""Networks alone; they know nothing of clips, files or hosts."""
