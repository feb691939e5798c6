"""Densifier without a network: skinning of the image with a 2.5-D body model."""
