"""Copies of the store that can be put in its place: made while others write, verified, kept, restored.

A backup is one SQLite file, perhaps compressed, with a manifest beside it that says what is in it.
"""
