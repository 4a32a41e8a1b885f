"""The server around the functions: listening, health, reflection, TLS, and an end that loses
nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import os
import pathlib
import signal
from collections.abc import Callable
from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tpo.v1 import verifier_pb2, verifier_pb2_grpc

from tpo_verifier.function import RewardFunction, Router
from tpo_verifier.runners import LoopRunner, Runner, ThreadRunner
from tpo_verifier.service import VerifierServicer

_log = logging.getLogger("tpo_verifier")

SERVICE = verifier_pb2.DESCRIPTOR.services_by_name["VerifierService"].full_name


@dataclasses.dataclass(frozen=True)
class Tls:
    """PEM files. With `client_ca`, callers must show a certificate that it signed."""

    certificate: str
    key: str
    client_ca: str | None = None


@dataclasses.dataclass(frozen=True)
class ServerOptions:
    """All but the functions and the address."""

    # Groups judged at a time. None: 8 threads, one process per core, 64 coroutines.
    workers: int | None = None
    # Run functions in processes that are killed when their time is over.
    processes: bool = False
    # Groups that may wait for a worker; more are told RESOURCE_EXHAUSTED.
    max_queue: int = 256
    # In one request; more are INVALID_ARGUMENT.
    max_completions: int = 4096
    max_request_bytes: int = 128 << 20
    # How long calls in progress may go on after SIGTERM.
    drain_seconds: float = 10.0
    # Allow plaintext off loopback.
    insecure: bool = False
    tls: Tls | None = None
    # Of the service, for logs; else the name of the function.
    name: str = ""
    version: str = "1"


def serve(
    *functions: Callable[..., Any],
    listen: str = "127.0.0.1:0",
    options: ServerOptions | None = None,
    **fields: Any,
) -> None:
    """Serves until SIGTERM or SIGINT, then lets calls in progress end. A second signal ends the
    process at once.

    listen: HOST:PORT; port 0 picks one. Prints `listening on HOST:PORT` when calls are taken.
    fields: those of ServerOptions, instead of `options`.
    Raises ValueError for what can't be served, OSError when the address can't be listened on.
    """
    if options is not None and fields:
        raise ValueError("options and their fields: give one of them")
    chosen = options or ServerOptions(**fields)
    router = Router([RewardFunction(function) for function in functions])
    host, port = parse_address(listen)
    if not (chosen.insecure or chosen.tls or is_loopback(host)):
        raise ValueError(
            f"{listen} is not a loopback address: give TLS files, or say with `insecure` that the "
            "network is trusted"
        )
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)
    asyncio.run(_serve(router, host, port, chosen))


def parse_address(address: str) -> tuple[str, int]:
    """HOST and PORT of "HOST:PORT"; an IPv6 HOST stands in brackets."""
    host, colon, port = address.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    valid = (
        colon and bare and (bare == host) == (":" not in bare) and port.isascii() and port.isdigit()
    )
    if not valid or int(port) > 65535:
        raise ValueError(f"'{address}' is not HOST:PORT")
    return bare, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_news(record: logging.LogRecord) -> bool:
    """A caller that left while its answer was being sent is none; gRPC reports each with a
    traceback.
    """
    return "ExecuteBatchError" not in record.getMessage()


async def _serve(router: Router, host: str, port: int, options: ServerOptions) -> None:
    runners = _make_runners(router, options)
    try:
        await _serve_with(router, runners, host, port, options)
    finally:
        for runner in runners:
            runner.close()


def _make_runners(router: Router, options: ServerOptions) -> list[Runner]:
    """One for each function; functions of a kind share one."""
    if options.workers is not None and options.workers < 1:
        raise ValueError(f"workers: at least 1, not {options.workers}")
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    functions = router.functions
    loop: Runner | None = None
    threads: Runner | None = None
    runners: list[Runner] = []
    for function in functions:
        if function.is_async and not options.processes:
            loop = loop or LoopRunner(functions, options.workers or 64)
            runners.append(loop)
        else:
            default = cores if options.processes else 8
            threads = threads or ThreadRunner(
                functions, options.workers or default, options.processes
            )
            runners.append(threads)
    return runners


async def _serve_with(
    router: Router, runners: list[Runner], host: str, port: int, options: ServerOptions
) -> None:
    first = router.functions[0]
    single = len(router.functions) == 1
    server = aio.server(
        options=[
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", options.max_request_bytes),
            ("grpc.max_send_message_length", options.max_request_bytes),
        ]
    )
    verifier_pb2_grpc.add_VerifierServiceServicer_to_server(
        VerifierServicer(
            router,
            runners,
            name=options.name or (first.name if single else "tpo_verifier"),
            version=first.options.version if single and not options.name else options.version,
            max_queue=options.max_queue,
            max_completions=options.max_completions,
            max_request_bytes=options.max_request_bytes,
        ),
        server,
    )
    status = health.aio.HealthServicer()
    for name in ("", SERVICE, *(f"{SERVICE}/{task}" for task in router.tasks)):
        await status.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(status, server)
    reflection.enable_server_reflection(
        (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server
    )
    shown = f"[{host}]" if ":" in host else host
    bound = _bind(server, f"{shown}:{port}", options.tls)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    await server.start()
    print(f"listening on {shown}:{bound}", flush=True)
    await stop.wait()
    _log.info("draining: calls in progress may take %g s", options.drain_seconds)
    await status.enter_graceful_shutdown()
    await server.stop(options.drain_seconds)


def _bind(server: aio.Server, address: str, tls: Tls | None) -> int:
    try:
        if tls is None:
            return server.add_insecure_port(address)
        key, certificate = (pathlib.Path(path).read_bytes() for path in (tls.key, tls.certificate))
        client_ca = pathlib.Path(tls.client_ca).read_bytes() if tls.client_ca else None
        credentials = grpc.ssl_server_credentials(
            [(key, certificate)], client_ca, require_client_auth=client_ca is not None
        )
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise OSError(f"can't listen on {address}: {error}") from None
