"""A verifier that works, is slow, hangs, refuses, or lies, each now and then."""

import math
import random
import threading

import cluster  # finds the integration tests' modules

import lying_verifier_test as protocol
from lying_verifier_test import grpc

HANG_SECONDS = 30


def load_protocol():
    """Generates the Python code of the protocol. Call first."""
    protocol.setUpModule()


class Liar:
    """Serves on a port of 127.0.0.1 from a thread pool of this process."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self.lies = 0
        self._server = protocol.VerifierServer(self._verify)
        self.address = self._server.address

    def stop(self):
        self._server.stop()

    def _verify(self, request, context):
        with self._lock:
            way = self._random.choice(("honest", "honest", "honest", "slow", "nan", "infinite", "too few", "too many",
                                       "unspecified", "refuses", "hangs"))
            pause = self._random.uniform(0, 0.5)
            self.lies += way not in ("honest", "slow")
        response = protocol.exact_match(request, context)
        if way == "slow":
            threading.Event().wait(pause)
        elif way == "nan":
            response.verdicts[0].score = math.nan
        elif way == "infinite":
            response.verdicts[-1].score = math.inf
        elif way == "too few":
            del response.verdicts[-1]
        elif way == "too many":
            response.verdicts.append(protocol.scored(1.0))
        elif way == "unspecified":
            for verdict in response.verdicts:
                verdict.kind = 0
        elif way == "refuses":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "never heard of such a task")
        elif way == "hangs":
            over = threading.Event()
            if context.add_callback(over.set):
                over.wait(HANG_SECONDS)
        return response
