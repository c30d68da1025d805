"""Modules that run in the model's process, beside untrusted code. The folder is copied there as it is.

The launcher and the keeper (``launch``, ``supervise`` and what confines) use the standard library alone, since they run
before the model's environment does; the rest also numpy, torch and safetensors. Syntax of Python 3.9: the model's
interpreter may be an old one.
"""

from __future__ import annotations
