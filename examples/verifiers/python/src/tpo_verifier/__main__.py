"""`python -m tpo_verifier MODULE[:FUNCTION] --listen HOST:PORT`."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from tpo_verifier.function import is_verifier
from tpo_verifier.server import Tls, serve


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 2 the input was refused, 1 any other failure."""
    flags = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    if bool(flags.tls_certificate) != bool(flags.tls_key) or (
        flags.tls_client_ca and not flags.tls_key
    ):
        return _refuse(
            "--tls_certificate and --tls_key go together, and --tls_client_ca needs both"
        )
    tls = Tls(flags.tls_certificate, flags.tls_key, flags.tls_client_ca) if flags.tls_key else None
    try:
        functions = _load(flags.function)
    except (ImportError, LookupError, TypeError) as error:
        return _refuse(f"{flags.function}: {error}")
    try:
        serve(
            *functions,
            listen=flags.listen,
            workers=flags.workers,
            processes=flags.processes,
            max_queue=flags.max_queue,
            drain_seconds=flags.drain_seconds,
            insecure=flags.insecure,
            tls=tls,
        )
    except (ValueError, TypeError) as error:
        return _refuse(str(error))
    except OSError as error:
        print(f"tpo_verifier: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tpo_verifier",
        description="Serves Python reward functions as a verifier of tpo.",
        epilog="Exit status: 0 done, 2 the input was refused, 1 any other failure.",
    )
    parser.add_argument(
        "function",
        metavar="MODULE[:FUNCTION]",
        help="what to serve; without FUNCTION, all that @verifier marks in the module",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        required=True,
        help="where workers connect; port 0 picks one and prints it",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="groups judged at a time [8 threads; with --processes one per core; 64 coroutines]",
    )
    parser.add_argument(
        "--processes",
        action="store_true",
        help="run the functions in processes, which are killed when their time is over",
    )
    parser.add_argument(
        "--max_queue",
        type=int,
        default=256,
        metavar="N",
        help="groups that may wait; more are told RESOURCE_EXHAUSTED [%(default)s]",
    )
    parser.add_argument(
        "--drain_seconds",
        type=float,
        default=10.0,
        metavar="S",
        help="how long calls in progress may go on after SIGTERM [%(default)s]",
    )
    parser.add_argument(
        "--tls_certificate", metavar="FILE", help="serve TLS with this certificate (PEM)"
    )
    parser.add_argument("--tls_key", metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--tls_client_ca", metavar="FILE", help="ask callers for a certificate signed by this (PEM)"
    )
    parser.add_argument(
        "--insecure", action="store_true", help="allow unencrypted connections off loopback"
    )
    return parser


def _load(name: str) -> list[Callable[..., Any]]:
    # As `python -m` does, also when started as a script of the package.
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    module_name, _, function_name = name.partition(":")
    module = importlib.import_module(module_name)
    if function_name:
        value = getattr(module, function_name, None)
        if not callable(value):
            raise LookupError(f"the module has no function '{function_name}'")
        return [value]
    marked = [value for value in vars(module).values() if is_verifier(value)]
    if not marked:
        raise LookupError("the module has no function that is marked with @verifier")
    return list({id(value): value for value in marked}.values())


def _refuse(message: str) -> int:
    print(f"tpo_verifier: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
