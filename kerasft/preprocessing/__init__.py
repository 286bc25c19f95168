"""Tensors a model understands: encoded examples kept on disk, and batches of them."""
