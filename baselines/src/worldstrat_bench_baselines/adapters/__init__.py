"""Models that are a standard file: ONNX, TorchScript, torch.export archives, state dicts of known families.

What such a file does not say (its bands, scales, frames, sizes) is declared as parameters, so that a submission needs
no Python. See ``docs/adapters.md``.
"""
