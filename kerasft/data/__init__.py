"""Rows a person understands: reading, mapping, splitting and checking them. Knows no TensorFlow."""
