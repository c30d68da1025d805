"""Writing what was made of runs to files."""

from __future__ import annotations

from pathlib import Path

from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.results.formats import table_frame
from worldstrat_bench.results.table import Table


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8.

    Raises
    ------
    InfrastructureError
        if it cannot be written.
    """
    try:
        # Line ends as they are, on Windows too: a table has the same bytes wherever it is made.
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise unwritable(path, error) from None


def write_parquet(path: Path, table: Table) -> None:
    """Write a table as Parquet.

    Raises
    ------
    UsageError
        if pyarrow is not installed.
    InfrastructureError
        if the file cannot be written.
    """
    try:
        import pyarrow  # noqa: F401  # pandas would name several engines
    except ImportError:
        raise UsageError(
            "pyarrow is not installed", where="--format parquet", remedy='pip install "worldstrat-bench[parquet]"'
        ) from None
    try:
        table_frame(table).to_parquet(path, index=False)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> InfrastructureError:
    """Return the error for a file that cannot be written."""
    what = f"the file cannot be written: {error.strerror or error}"
    return InfrastructureError(what, where=path, remedy="choose another file; its folder has to be there")
