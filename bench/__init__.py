"""Measurements of this project against other ways to build it; README.md in this folder says how it is kept fair."""
