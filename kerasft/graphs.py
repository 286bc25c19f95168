"""Frees what a finished training, or a model that is not used any more, keeps: TensorFlow 2.21 leaks the graphs of Keras's steps.

A `FuncGraph` and its operations refer to each other in a way that Python's garbage collector does not see, so the graph stays for
as long as the process lives. It captures the handle of every variable: weights, moments of the optimizer and random states, about
five times the size of a small model, once for each `fit` of a new model (measured: 179 captures a run; plain Keras 3.15 does the
same, and `keras.utils.clear_session` does not help).
"""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Iterable, Iterator
from typing import Any

_FUNCTIONS = ("train_function", "test_function")


def release(model: Any) -> None:
    """Free the graphs of a model's `fit` and `evaluate`. They are made anew if it is trained again.

    Args:
        model: A `keras.Model` on TensorFlow.
    """
    for name in _FUNCTIONS:
        _dismantle(_graphs(getattr(model, name, None)))
        if hasattr(model, name):
            setattr(model, name, None)


def release_with(model: Any) -> None:
    """Free the graph of a model's `predict` when the model itself goes.

    Args:
        model: A `keras.Model` whose `predict_function` has been traced.
    """
    # No strong references: a graph could hold the model, which then would never go.
    graphs = [weakref.ref(graph) for graph in _graphs(model.predict_function)]
    weakref.finalize(model, lambda: _dismantle(graph for one in graphs if (graph := one()) is not None)).atexit = False


def _graphs(function: Any) -> list[Any]:
    return [concrete.graph for one in _traced(function, set()) for concrete in one._list_all_concrete_functions()]


def _dismantle(graphs: Iterable[Any]) -> None:
    from tensorflow.python.framework import func_graph

    for graph in graphs:
        func_graph.dismantle_func_graph(graph)
        _ = graph.captures  # renews a list that is cached and would go on holding the handles


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
