"""Answers nobody would give in good faith: refused in plain words, or data wherever they land."""
