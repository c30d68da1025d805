"""Messages of models and what to do about them: patterns, from the most particular to the least."""

from __future__ import annotations

import re
from dataclasses import dataclass

from worldstrat_bench.worker.inside.refusals import POOLS


@dataclass(frozen=True)
class Rule:
    """A pattern and its remedy, in which ``{0}``, ``{1}`` are the pattern's groups."""

    pattern: re.Pattern[str]
    hint: str


def _rule(pattern: str, hint: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE | re.MULTILINE), hint)


_TRUST = "or use --isolation process if you trust the model"

REFUSALS = (
    _rule(re.escape(POOLS), f"the confinement refuses semaphores; {_TRUST}"),
    _rule(
        r"BrokenProcessPool|SemLock|sem_open|DataLoader worker|torch_shm_manager|resource_sharer|multiprocessing/(?:"
        r"connection|managers|synchronize)\.py",
        f"the confinement refuses process pools and data loaders with workers: use num_workers=0, or threads, {_TRUST}",
    ),
    _rule(
        r"gaierror|name or service not known|temporary failure in name resolution|failed to resolve|"
        r"NameResolutionError|urlopen error|ConnectionError|max retries exceeded|network is unreachable|"
        r"LocalEntryNotFound|OfflineMode|"
        r"couldn't connect to|cannot find the requested files|ConnectTimeout|URLError",
        "a confined worker has no network: download the file before the run and give it with --weights or in the "
        f"package, {_TRUST}",
    ),
    _rule(
        r"socket\.py\"|socket\.socket\(|sock(?:et)?\.(?:connect|bind)\(|_socket\b",
        f"the confinement refuses sockets: compute in one process and one thread group, {_TRUST}",
    ),
    _rule(
        r"\[Errno 30\].*?: '([^'\n]{1,200})'",
        "a confined worker writes below its TMPDIR and HOME only, not to {0}: use tempfile, " + _TRUST,
    ),
    _rule(
        r"\[Errno 13\].*?: b?'([^'\n]{1,200})'|filesystem_error.*Permission denied \[([^\]\n]{1,200})\]",
        "the confinement refuses {0}{1}: a model reads its environment, its package and its weights and writes below "
        "TMPDIR and HOME; put the file into the package or give it with --weights, " + _TRUST,
    ),
    _rule(
        r"\[Errno 2\].*?: b?'(/[^'\n]{1,200})'",
        "if {0} is there, the confinement hides it: a model sees its environment, its package and its weights; put the "
        "file into the package or give it with --weights, " + _TRUST,
    ),
    _rule(
        r"\[Errno 1\]|\[Errno 13\]|\[Errno 38\]|operation not permitted|permission denied|function not implemented",
        f"the confinement refuses this call: see docs/security.md, {_TRUST}",
    ),
)
"""Hints for a confined worker."""

_SIZE = (
    "the network takes one size or multiples of one: set window and fixed, or multiple, of a declared preprocessing; "
    "in code of your own, pad the tile and crop the answer"
)
_HALF = "the weights are in half precision and the tile in float32: call model.float(), or export in float32"
_BATCH = "tiles come one at a time: export with a batch of 1 or a dynamic batch axis"

HINTS = (
    _rule(r"more than 1 value per channel when training", "the model is in training mode: call model.eval()"),
    _rule(r"index: 0 Got: 1 Expected: \d+", _BATCH),
    _rule(r"batch.{0,40}(?:must be|expected|should be) [2-9]\d*", _BATCH),
    _rule(r"index: 1 Got: \d+ Expected: (\d+)", "the network wants {0} channels: set bands, or choose the channels"),
    _rule(r"index: [23] Got: \d+ Expected: \d+", _SIZE),
    _rule(
        r"to have (\d) channels, but got (?:[2-9]\d|\d{3,}) channels",
        "the channels come last: use x.permute(0, 3, 1, 2); the network wants {0} of them",
    ),
    _rule(
        r"to have (\d+) channels, but got (\d+) channels",
        "the network wants {0} channels and was given {1}: set bands, or choose them (R, G, B are 3, 2, 1 of 12)",
    ),
    _rule(
        r"(?:float|double).{0,40}(?:half|bfloat16|float16).{0,30}(?:same|expected|found)|"
        r"expected.{0,40}(?:half|float16)|'?half'? but (?:found|got)|not implemented for '(?:Half|BFloat16)'|"
        r"(?:half|bfloat16).{0,20}should be the same|"
        r"must have the same dtype.{0,40}half",
        _HALF,
    ),
    _rule(
        r"all tensors to be on the same device|weight type .*cuda", "move the model to the device that load() is given"
    ),
    _rule(
        r"missing key\(s\) in state_dict|unexpected key\(s\) in state_dict|size mismatch for",
        "the weights belong to another architecture, or their names have a prefix",
    ),
    _rule(r"weights only load failed", "save a state dict or safetensors: pickled objects are not loaded"),
    _rule(
        r"No module named '([\w.]+)'",
        "install {0} in the model's environment (of a submission: add it to its lock) and name it in its dependencies",
    ),
    _rule(
        r"\[Errno 2\].*?: b?'([^/'\n][^'\n]{0,200})'",
        "a worker runs in an empty folder: name {0} relative to Path(__file__), or give it with --weights",
    ),
    _rule(r"does not require grad", "gradients are off: use torch.enable_grad() if the model needs them"),
    _rule(
        r"guard failed|got invalid dimensions|sizes of tensors must match|size of tensor a|"
        r"is invalid for input of size|invalid shape|expected size \d+ but got|"
        r"must be (?:divisible|a multiple)|not divisible|doesn't match model|"
        r"shapes cannot be multiplied|cannot be broadcast|could not broadcast",
        _SIZE,
    ),
    _rule(
        r"'NoneType' object has no attribute|expected str, bytes or os\.PathLike object, not NoneType",
        "were weights forgotten? give them with --weights FILE",
    ),
)
"""Hints for any worker."""
