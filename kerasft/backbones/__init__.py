"""Backbone families: the only package that imports KerasHub."""

from __future__ import annotations

from kerasft.backbones.base import FAMILIES, Family, get_family

__all__ = ["FAMILIES", "Family", "get_family"]
