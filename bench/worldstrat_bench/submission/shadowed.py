"""Names of modules that a model's package must not take: they would stand in front of other packages."""

from __future__ import annotations

SHADOWED = frozenset(
    {
        "worldstrat_bench",
        "worldstrat_bench_baselines",
        "torch",
        "torchvision",
        "numpy",
        "safetensors",
        "pip",
        "setuptools",
        "pkg_resources",
        "wheel",
        "sitecustomize",
        "usercustomize",
        "rasterio",
        "skimage",
        "scipy",
        "pandas",
        "pydantic",
        "lpips",
        "PIL",
        "filelock",
        "jinja2",
        "packaging",
        "platformdirs",
        "psutil",
        "pytest_benchmark",
        "requests",
        "rich",
        "tenacity",
        "typer",
        "urllib3",
    }
)
"""Top-level names of other packages; with those of the standard library."""
