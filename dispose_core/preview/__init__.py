"""The reference image moved along a motion field, for people to look at."""
