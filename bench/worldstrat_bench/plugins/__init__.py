"""Finding models by the metadata of their distributions, without importing them."""

from __future__ import annotations
