"""``python -m worldstrat_bench.worker.inside FD``: the process that holds a model. Started by the harness only."""

from __future__ import annotations

import faulthandler
import socket
import sys


def main() -> int:
    """Serve the wire whose file descriptor is the only argument."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.stderr.write("worldstrat_bench.worker is started by the harness, not by hand\n")
        return 2
    from worldstrat_bench.worker.inside.child import MAX_BODY_BYTES, serve
    from worldstrat_bench.worker.inside.wire import Wire

    faulthandler.enable()
    serve(Wire(socket.socket(fileno=int(sys.argv[1])), MAX_BODY_BYTES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
