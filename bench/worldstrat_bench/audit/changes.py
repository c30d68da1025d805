"""Questions of an audit: tasks of the dataset, changed in ways that do not change a good answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worldstrat_bench.data.task import Task

GAIN, OFFSET = 1.03, 0.004
"""Reflectance of the gain-and-offset probe: within what an atmospheric correction may change."""

NOISE = 0.002
"""Standard deviation of the noise probe, reflectance: that of a Sentinel-2 band."""

CROP = (4, 6)
"""Rows and columns that the shift probe cuts off at the top and left, LR px."""

CELLS = 4
"""The mosaic is CELLS x CELLS."""


def with_gain(task: Task) -> Task:
    """Return the task with every value times :data:`GAIN` plus :data:`OFFSET`."""
    return replace(task, images=(task.images * np.float32(GAIN) + np.float32(OFFSET)).astype(np.float32))


def with_noise(task: Task, seed: int) -> Task:
    """Return the task with white noise of :data:`NOISE` on every value."""
    noise = np.random.default_rng(seed).normal(0, NOISE, task.images.shape)
    return replace(task, images=(task.images + noise).astype(np.float32))


def cropped(task: Task, rows: int = CROP[0], columns: int = CROP[1]) -> Task:
    """Cut rows off at the top and columns at the left; the target is four times what is left."""
    height, width = task.size[0] - rows, task.size[1] - columns
    return replace(
        task,
        images=np.ascontiguousarray(task.images[..., rows:, columns:]),
        clear=np.ascontiguousarray(task.clear[..., rows:, columns:]),
        height=4 * height,
        width=4 * width,
    )


def best_frame(task: Task) -> Task:
    """Return the task with its first frame alone."""
    return replace(task, images=task.images[:, :1], clear=task.clear[:, :1], days=task.days[:, :1])


def mosaic(tasks: Sequence[Task]) -> Task:
    """Put tasks together: cell (i, j) is of number CELLS i + j, at its own place; too few are used again.

    All are cut to the smallest size and number of frames; the target is four times that size.
    """
    # Sizes differ by a few pixels from tile to tile, and a mosaic has one.
    height = min(task.size[0] for task in tasks)
    width = min(task.size[1] for task in tasks)
    frames = min(task.frames for task in tasks)
    first = tasks[0]
    images = first.images[:, :frames, :, :height, :width].copy()
    clear = first.clear[:, :frames, :, :height, :width].copy()
    for cell, (rows, columns) in enumerate(cells(height, width)):
        source = tasks[cell % len(tasks)]
        images[..., rows, columns] = source.images[:, :frames, :, rows, columns]
        clear[..., rows, columns] = source.clear[:, :frames, :, rows, columns]
    return Task(images, clear, first.days[:, :frames].copy(), 4 * height, 4 * width, "mosaic")


def cells(height: int, width: int) -> tuple[tuple[slice, slice], ...]:
    """Return the cells of a mosaic as slices of rows and columns, row by row."""
    rows = np.linspace(0, height, CELLS + 1).astype(int)
    columns = np.linspace(0, width, CELLS + 1).astype(int)
    return tuple(
        (slice(int(rows[i]), int(rows[i + 1])), slice(int(columns[j]), int(columns[j + 1])))
        for i in range(CELLS)
        for j in range(CELLS)
    )
