"""The command line: one verb, one module, no logic. Nothing heavy is imported before a verb runs."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the ``worldstrat-bench`` script and exit with the code that the docs promise."""
    from worldstrat_bench.cli.app import app
    from worldstrat_bench.cli.console import debugging, flush_or_forget, print_error
    from worldstrat_bench.cli.streams import write_anything
    from worldstrat_bench.errors import InfrastructureError, WorldstratBenchError

    # Before anything is printed: --help and --version must not fail on a terminal in Latin-1 either.
    write_anything()
    try:
        app(prog_name="worldstrat-bench")
    except WorldstratBenchError as error:
        if debugging():
            raise
        print_error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted; the same command continues the run", file=sys.stderr)
        # 128 and the number of SIGINT, as shells report it.
        sys.exit(130)
    except OSError as error:
        if debugging():
            raise
        what = f"the disk or the system failed: {error.strerror or error}"
        remedy = "check the disk, its free space and the permissions, then give the same command again"
        print_error(InfrastructureError(what, where=error.filename, remedy=remedy))
        sys.exit(InfrastructureError.exit_code)
    except Exception as error:
        if debugging():
            raise
        print(f"bug: {type(error).__name__}: {error}", file=sys.stderr)
        print("  This is an error in worldstrat-bench, not in what you did. Run it again with", file=sys.stderr)
        print("  `worldstrat-bench --debug ...` and report what it prints.", file=sys.stderr)
        sys.exit(1)
    finally:
        flush_or_forget()
