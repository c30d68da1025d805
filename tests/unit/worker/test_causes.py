"""The line of an error that tells, and the way out."""

from __future__ import annotations

import pickle

import pytest

from worldstrat_bench.worker.causes import LONGEST, cause_of, explained, telling_line

TRACEBACK = 'Traceback (most recent call last):\n  File "/x/net.py", line 3, in predict\n    return self.net(x)\n'
SCRIPT = """RuntimeError: The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, serialized code (most recent call last):
  File "code/__torch__/net.py", line 9, in forward
    up = self.up
         ~~~~~~~ <--- HERE
RuntimeError: {}
Traceback (most recent call last):
"""


@pytest.mark.parametrize(
    ("message", "tells"),
    [
        ("ValueError: a number\n" + TRACEBACK, "ValueError: a number"),
        (SCRIPT.format("shape '[1, 3, 64, 64]' is invalid for input of size 9"), "shape '[1, 3, 64, 64]' is invalid"),
        (
            "Fail: Non-zero status code returned while running the following operations:\n"
            " Node Concat_7: dimension mismatch, got 80, expected 78\n Please report this.\n" + TRACEBACK,
            "dimension mismatch, got 80, expected 78",
        ),
        (
            'RuntimeError: Error(s) in loading state_dict for Edsr:\n\tMissing key(s) in state_dict: "head.0.weight". ',
            'Edsr: Missing key(s) in state_dict: "head.0.weight"',
        ),
    ],
)
def test_the_line_that_names_the_cause_is_shown(message: str, tells: str) -> None:
    line = telling_line(message)
    assert tells in line
    assert "\n" not in line
    assert "HERE" not in line


def test_a_long_line_keeps_its_front_and_its_end() -> None:
    line = telling_line("TypeError: front " + "x" * 5000 + " end")
    assert line.startswith("TypeError: front")
    assert line.endswith(" end")
    assert len(line) <= LONGEST


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("RuntimeError: The size of tensor a (39) must match the size of tensor b (40)", "window and fixed"),
        (
            "Invalid: Got invalid dimensions for input: lr for the following indices\n index: 3 Got: 156 Expected: 96",
            "window and fixed",
        ),
        ("AssertionError: height must be divisible by 8", "multiple"),
        (
            "RuntimeError: expected input[1, 156, 158, 4] to have 4 channels, but got 156 channels instead",
            "come last",
        ),
        (
            "RuntimeError: Given groups=1, expected input[1, 12, 9, 9] to have 4 channels, but got 12 channels instead",
            "wants 4 channels and was given 12",
        ),
        ("RuntimeError: Input type (float) and weight type (c10::BFloat16) should be the same", "half precision"),
        ("RuntimeError: expected scalar type Half but found Float", "half precision"),
        (
            "InvalidArgument: Unexpected input data type. Actual: (tensor(float)) , expected: (tensor(float16))",
            "half precision",
        ),
        (
            "Invalid: Got invalid dimensions for input: x for the following indices\n index: 0 Got: 1 Expected: 16",
            "batch of 1",
        ),
        (
            "ValueError: Expected more than 1 value per channel when training, got input size [1, 64, 1, 1]",
            "model.eval()",
        ),
        ("ModuleNotFoundError: No module named 'timm.layers'", "install timm.layers"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'weights/net.pth'", "Path(__file__)"),
    ],
)
def test_usual_mistakes_have_a_hint_at_every_level(message: str, hint: str) -> None:
    for confined in (True, False):
        cause = cause_of(message, confined=confined)
        assert hint in cause.hint
        assert not cause.refused


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/srv/lut.npy'", "refuses /srv/lut.npy"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/srv/lut.npy'", "the confinement hides it"),
        ("OSError: [Errno 30] Read-only file system: '/opt/cache'", "not to /opt/cache"),
        ("gaierror: [Errno -2] Name or service not known", "no network"),
        ("HTTPError, from ConnectionError: HTTPSConnectionPool: Max retries exceeded", "no network"),
        ("BrokenProcessPool: A process in the process pool was terminated abruptly", "num_workers=0"),
        ('PermissionError: [Errno 13] Permission denied\n  File "/usr/lib/python3.12/socket.py", line 233', "sockets"),
        ("PermissionError: [Errno 1] Operation not permitted", "this call"),
    ],
)
def test_what_the_confinement_refuses_is_said_and_only_of_a_confined_worker(message: str, hint: str) -> None:
    cause = cause_of(message, confined=True)
    assert cause.refused
    assert hint in cause.hint
    assert "--isolation process" in cause.hint
    assert not cause_of(message, confined=False).refused


def test_the_first_line_is_the_cause_and_nothing_is_lost_or_said_twice() -> None:
    message = "PermissionError: [Errno 13] Permission denied: '/srv/a'\n" + TRACEBACK
    first, _, rest = explained(message, confined=True).partition("\n")
    assert first.startswith("PermissionError: [Errno 13]")
    assert rest == TRACEBACK
    assert explained("", confined=True) == ""
    assert explained("ValueError: odd", confined=True) == "ValueError: odd"
    vague = SCRIPT.format("Half")
    assert explained(vague, confined=False).endswith(vague)


def test_messages_of_models_are_read_and_never_trusted() -> None:
    for message in ("{0}{1}: [Errno 13] x: '{2}'", "%s %(x)s :", ":" * 8000, pickle.dumps("x").decode("latin-1") + ":"):
        assert "\n" not in str(cause_of(message, confined=True))
