"""Hostile answers: the template refuses them with a clear message, or they stay data."""
