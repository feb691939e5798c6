"""The densifier without a network: a 2.5-D body model carries the pixels."""
