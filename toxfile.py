"""An inline tox plugin: environments that name the same `env_dir` share it.

tox recreates an environment whose recorded name differs, so that several environments in one folder would be
rebuilt at every switch. Ours have the same dependencies by construction; only their commands differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tox.plugin import impl
from tox.tox_env.api import ToxEnv
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class SharedInfo(Info):
    """The record of an environment's last set-up, under one name for all who share it."""

    @contextmanager
    def compare(self, value: Any, section: str, sub_section: str | None = None) -> Iterator[Any]:
        if section == ToxEnv.__name__ and sub_section is None:
            value = {**value, "name": "shared"}
        with super().compare(value, section, sub_section) as result:
            yield result


class SharedVirtualEnvRunner(VirtualEnvRunner):
    """A virtual environment that several tox environments use."""

    @staticmethod
    def id() -> str:
        return "shared-virtualenv"

    @property
    def cache(self) -> Info:
        return SharedInfo(self.env_dir)


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Let tox.ini say `runner = shared-virtualenv`."""
    register.add_run_env(SharedVirtualEnvRunner)
