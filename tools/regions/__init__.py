"""A simulation of one service in three regions, for docs/scale.md."""
