"""The hooks, and the functions that cookiecutter.json calls."""
