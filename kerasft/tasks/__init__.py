"""What is learned: one file a task."""

from __future__ import annotations

from kerasft.tasks.base import TASKS, Learned, Task, get_task

__all__ = ["TASKS", "Learned", "Task", "get_task"]
