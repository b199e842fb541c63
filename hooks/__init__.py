"""The hooks, and what the questions use."""
