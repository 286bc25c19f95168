"""Figures and reports. Knows no TensorFlow; the metrics are scikit-learn's."""
