"""Frees what a finished training keeps: TensorFlow 2.21 leaks the graphs of Keras's training step, and with them the weights.

A `FuncGraph` and its operations refer to each other in a way that Python's garbage collector does not see, so the graph stays for
as long as the process lives. It captures the handle of every variable: weights, moments of the optimizer and random states, about
five times the size of a small model, once for each `fit` of a new model (measured: 179 captures a run; plain Keras 3.15 does the
same, and `keras.utils.clear_session` does not help).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

_FUNCTIONS = ("train_function", "test_function")


def release(model: Any) -> None:
    """Free the graphs of a model's `fit` and `evaluate`. They are made anew if it is trained again.

    Args:
        model: A `keras.Model` on TensorFlow.
    """
    from tensorflow.python.framework import func_graph

    for name in _FUNCTIONS:
        for function in _traced(getattr(model, name, None), set()):
            for concrete in function._list_all_concrete_functions():
                func_graph.dismantle_func_graph(concrete.graph)
                _ = concrete.graph.captures  # renews a list that is cached and would go on holding the handles
        if hasattr(model, name):
            setattr(model, name, None)


def _traced(function: Any, seen: set[int]) -> Iterator[Any]:
    """The `tf.function`s that a function calls, as far as its closure says: Keras puts one into another."""
    if function is None or id(function) in seen:
        return
    seen.add(id(function))
    inner = getattr(function, "python_function", None)
    if inner is not None and hasattr(function, "_list_all_concrete_functions"):
        yield function
    for target in (inner or function, inspect.unwrap(inner or function)):
        for cell in getattr(target, "__closure__", None) or ():
            try:
                content = cell.cell_contents
            except ValueError:  # not filled yet
                continue
            if inspect.isfunction(content) or hasattr(content, "python_function"):
                yield from _traced(content, seen)
