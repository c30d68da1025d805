"""Reference models of worldstrat-bench, an ordinary plug-in distribution without privileges.

The modules import :mod:`worldstrat_bench.api`, numpy, torch and safetensors, and nothing else of the harness.
"""
