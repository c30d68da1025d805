from __future__ import annotations

import pytest

from worldstrat_bench.worker.inside.device import cpu_class, cpu_name, cuda_class, device_facts, usable_cores

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "gib", "expected"),
    [
        ("NVIDIA H100 80GB HBM3", 79.1, "H100-80GB"),
        ("NVIDIA H100 PCIe", 79.1, "H100-80GB"),
        ("NVIDIA H200", 139.8, "H200-141GB"),
        ("NVIDIA A100-SXM4-40GB", 39.4, "A100-40GB"),
        ("NVIDIA A100-SXM4-80GB", 79.2, "A100-80GB"),
        ("NVIDIA GeForce RTX 4090", 23.6, "RTX-4090-24GB"),
        ("Tesla T4", 14.6, "T4-16GB"),
        ("NVIDIA L4", 22.0, "L4-24GB"),
    ],
)
def test_cuda_classes(name: str, gib: float, expected: str) -> None:
    assert cuda_class(name, int(gib * GIB)) == expected


def test_cpu_classes() -> None:
    assert cpu_class(2, "x86_64") == "CPU 2 cores x86-64"
    assert cpu_class(1, "aarch64") == "CPU 1 core arm64"
    assert cpu_name()
    assert usable_cores() >= 1


def test_facts_of_a_cpu_count_the_threads_in_use() -> None:
    facts = device_facts("cpu", 1)
    assert facts["type"] == "cpu"
    assert str(facts["class"]).startswith("CPU 1 core ")
