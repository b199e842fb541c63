"""Tests of the template: its questions, what it renders, its commands, and the rendered suite."""
