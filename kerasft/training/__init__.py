"""Training through Keras `fit`: optimizer, schedule, callbacks, checkpoints, exact resume."""
