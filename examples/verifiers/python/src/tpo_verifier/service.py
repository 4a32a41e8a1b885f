"""The service of the protocol: from a request to a function's verdicts, in bounded time."""

from __future__ import annotations

import asyncio

import grpc
from grpc import aio
from tpo.v1 import types_pb2, verifier_pb2, verifier_pb2_grpc

from tpo_verifier.call import Call, Judgement, Request
from tpo_verifier.function import RewardFunction, Router
from tpo_verifier.runners import Runner
from tpo_verifier.verdict import Kind, Verdict, of_exception, sendable

_KINDS = {
    Kind.SCORED: types_pb2.VERDICT_KIND_SCORED,
    Kind.ABSTAINED: types_pb2.VERDICT_KIND_ABSTAINED,
    Kind.TIMED_OUT: types_pb2.VERDICT_KIND_TIMED_OUT,
    Kind.FAILED: types_pb2.VERDICT_KIND_FAILED,
}
_FINISH_REASONS = {types_pb2.FINISH_REASON_STOP: "stop", types_pb2.FINISH_REASON_LENGTH: "length"}

# An answer that comes before the deadline tells what was judged by then; one that comes after tells
# nothing.
_MARGIN_SHARE = 0.1
_MAX_MARGIN_SECONDS = 0.25


class VerifierServicer(verifier_pb2_grpc.VerifierServiceServicer):
    """Everything on the server's event loop, but for the functions."""

    def __init__(
        self,
        router: Router,
        runners: list[Runner],
        *,
        name: str,
        version: str,
        max_queue: int,
        max_completions: int,
        max_request_bytes: int,
    ) -> None:
        """runners[i] runs function i."""
        self._router = router
        self._runners = runners
        self._all_runners = list({id(runner): runner for runner in runners}.values())
        self._name = name
        self._version = version
        self._capacity = max_queue + sum(runner.workers for runner in self._all_runners)
        self._max_completions = max_completions
        self._max_request_bytes = max_request_bytes

    async def Verify(
        self, request: verifier_pb2.VerifyRequest, context: aio.ServicerContext
    ) -> verifier_pb2.VerifyResponse:
        fault = self._fault(request)
        if fault:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, fault)
        index = self._router.find(request.prompt.task)
        if index is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"prompt.task: '{request.prompt.task}' is not one of "
                f"{', '.join(self._router.tasks)}",
            )
        assert index is not None, "abort() raises"
        if sum(runner.occupied for runner in self._all_runners) >= self._capacity:
            await context.abort(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"{self._capacity} groups are being judged or wait for it; try again later",
            )
        function = self._router.functions[index]
        verdicts = await self._judge(
            index, function, _to_request(request, _traceparent(context)), context.time_remaining()
        )
        return self._response(verdicts, function.name, function.options.version)

    async def Describe(
        self, request: verifier_pb2.DescribeRequest, context: aio.ServicerContext
    ) -> verifier_pb2.DescribeResponse:
        return verifier_pb2.DescribeResponse(
            verifier=self._name,
            verifier_version=self._version,
            tasks=self._router.tasks,
            max_completions=self._max_completions,
            max_request_bytes=self._max_request_bytes,
            token_rewards=any(
                function.options.token_rewards for function in self._router.functions
            ),
        )

    def _fault(self, request: verifier_pb2.VerifyRequest) -> str:
        if not request.HasField("prompt"):
            return "prompt: missing"
        if not request.completions:
            return "completions: none; there must be at least one"
        if len(request.completions) > self._max_completions:
            return f"completions: {len(request.completions)}; at most {self._max_completions}"
        return ""

    async def _judge(
        self, index: int, function: RewardFunction, request: Request, remaining: float | None
    ) -> list[Verdict]:
        limits = [
            limit for limit in (_before(remaining), function.options.timeout) if limit is not None
        ]
        seconds = min(limits, default=None)
        call = Call(seconds)
        judgement = Judgement(len(request.completions))
        missing = Verdict.failed("the function ended without a verdict")
        try:
            await asyncio.wait_for(
                self._runners[index].run(index, request, call, judgement), seconds
            )
        except asyncio.TimeoutError:
            missing = (
                Verdict.timed_out()
                if call.begun
                else Verdict.timed_out("not begun before the deadline: all workers were busy")
            )
        except asyncio.CancelledError:
            judgement.finish(missing)
            raise
        except Exception as error:  # a fault of the runner is no score either
            missing = of_exception(error)
        finally:
            call.cancel()
        return judgement.finish(missing)

    @staticmethod
    def _response(verdicts: list[Verdict], name: str, version: str) -> verifier_pb2.VerifyResponse:
        return verifier_pb2.VerifyResponse(
            verdicts=[_to_proto(verdict) for verdict in verdicts],
            verifier=name,
            verifier_version=version,
        )


def _before(remaining: float | None) -> float | None:
    """When to answer, so that the answer arrives before the deadline. gRPC gives very far deadlines
    for 'none'.
    """
    if remaining is None or remaining > 10 * 365 * 86400:
        return None
    return max(0.0, remaining - min(_MAX_MARGIN_SECONDS, _MARGIN_SHARE * remaining))


def _traceparent(context: aio.ServicerContext) -> str:
    return str(dict(context.invocation_metadata() or ()).get("traceparent", ""))


def _to_request(request: verifier_pb2.VerifyRequest, traceparent: str = "") -> Request:
    prompt = request.prompt
    return Request(
        task=prompt.task,
        prompt=prompt.text,
        prompt_tokens=list(prompt.tokens),
        prompt_id=prompt.id,
        reference_answer=prompt.reference_answer,
        reference_tokens=list(prompt.reference_tokens),
        metadata=dict(prompt.metadata),
        weight_version=request.weight_version,
        idempotency_key=request.idempotency_key,
        want_token_rewards=request.want_token_rewards,
        traceparent=traceparent,
        completions=[completion.text for completion in request.completions],
        completion_tokens=[list(completion.tokens) for completion in request.completions],
        candidate_tokens=[list(completion.candidate_tokens) for completion in request.completions],
        finish_reasons=[
            _FINISH_REASONS.get(completion.finish_reason, "") for completion in request.completions
        ],
    )


def _to_proto(verdict: Verdict) -> types_pb2.Verdict:
    kind = verdict.kind or (Kind.ABSTAINED if verdict.score is None else Kind.SCORED)
    return types_pb2.Verdict(
        kind=_KINDS[kind],
        score=verdict.score or 0.0,
        components=verdict.components,
        reason=sendable(verdict.reason),
        token_rewards=verdict.token_rewards,
        cost=verdict.cost,
        explanation=sendable(verdict.explanation),
    )
