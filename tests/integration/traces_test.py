"""Traces of groups from lease to training, as an OpenTelemetry collector gets them from a run of all roles."""

import concurrent.futures
import re
import signal
import subprocess
import threading
import urllib.request

import harness
from harness import overrides

try:
    import grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
    from opentelemetry.proto.trace.v1 import trace_pb2
except ImportError as missing:
    harness.missing_package(missing)

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Collector(grpc.GenericRpcHandler):
    """Takes in what it is sent, by OpenTelemetry's own definition of the messages."""

    def __init__(self, credentials=None):
        self._lock = threading.Lock()
        self._spans = []
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[self])
        port = (self._server.add_secure_port("127.0.0.1:0", credentials) if credentials
                else self._server.add_insecure_port("127.0.0.1:0"))
        self.address = f"127.0.0.1:{port}"
        self._server.start()

    def service(self, call_details):
        if call_details.method != EXPORT:
            return None
        return grpc.unary_unary_rpc_method_handler(
            self._export, request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
            response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString)

    def _export(self, request, _):
        with self._lock:
            for resource in request.resource_spans:
                attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self._spans += [(attributes["service.name"], span) for span in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()

    def spans(self):
        with self._lock:
            return list(self._spans)

    def close(self):
        self._server.stop(None)


def never_answered(span):
    return (span.status.code == trace_pb2.Status.STATUS_CODE_ERROR
            or attributes_of(span).get("tpo.outcome") == "cancelled")


def attributes_of(span):
    return {one.key: one.value.int_value if one.value.HasField("int_value") else one.value.string_value
            for one in span.attributes}


GROUP = {"group", "rollout", "verify", "judge", "submit", "train"}


def by_trace(spans):
    """Lists of (service, span), by trace."""
    traces = {}
    for service, span in spans:
        traces.setdefault(span.trace_id, []).append((service, span))
    return traces


def groups_and_calls(spans):
    """Traces of groups, and those of calls that belong to none."""
    traces = by_trace(spans)
    groups = {trace for trace, each in traces.items() if GROUP & {span.name for _, span in each}}
    return ({trace: each for trace, each in traces.items() if trace in groups},
            {trace: each for trace, each in traces.items() if trace not in groups})


class TracesTest(harness.IntegrationTest):
    def setUp(self):
        super().setUp()
        self.collector = Collector()
        self.addCleanup(self.collector.close)

    def run_all_roles(self, ratio):
        send = ("--trace_endpoint", self.collector.address)
        part = ("--trace_sample_ratio", ratio)
        verifier = self.start_verifier(*send)
        run, learner = self.start_learner("run", *send, *part, *overrides(
            learner__steps=3, verifiers=f"[{{address: '{verifier.address}'}}]"))
        worker = self.start_worker(learner.address, *send, *part)
        self.assert_ended_well(learner, worker)
        verifier.send(signal.SIGTERM)
        self.assert_ended_well(verifier)
        return run

    def test_every_group_is_one_trace_over_all_roles(self):
        run = self.run_all_roles(1)
        for _, span in self.collector.spans():
            self.assertEqual((len(span.trace_id), len(span.span_id)), (16, 8))
            self.assertLessEqual(span.start_time_unix_nano, span.end_time_unix_nano)
        traces, _ = groups_and_calls(self.collector.spans())
        self.assertEqual(len(traces), run.summary["ledger"]["trained"])
        for spans in traces.values():
            by_id = {span.span_id: (service, span) for service, span in spans}
            self.assertEqual(len(by_id), len(spans), "ids of spans are unique")
            names = {(service, span.name): span for service, span in spans}
            self.assertEqual(set(names), {
                ("tpo-learner", "group"), ("tpo-rollout", "rollout"), ("tpo-rollout", "verify"), ("tpo-verifier", "judge"),
                ("tpo-learner", "submit"), ("tpo-learner", "train")})
            parents = {span.name: by_id[span.parent_span_id][1].name for _, span in spans if span.parent_span_id}
            self.assertEqual(parents, {"rollout": "group", "verify": "rollout", "judge": "verify", "submit": "group",
                                       "train": "group"})
            group, train = names["tpo-learner", "group"], names["tpo-learner", "train"]
            for _, span in spans:
                self.assertNotEqual(span.status.code, trace_pb2.Status.STATUS_CODE_ERROR, span)
                self.assertEqual(span.kind, trace_pb2.Span.SPAN_KIND_INTERNAL)
                self.assertGreaterEqual(span.start_time_unix_nano, group.start_time_unix_nano, span.name)
                self.assertLessEqual(span.start_time_unix_nano, group.end_time_unix_nano, span.name)
            self.assertIn(attributes_of(train)["tpo.step"], range(3))
            self.assertEqual(attributes_of(names["tpo-rollout", "rollout"])["tpo.outcome"], "accepted")

    def test_every_call_of_no_group_is_one_trace_of_its_two_ends(self):
        send = ("--trace_endpoint", self.collector.address, "--trace_sample_ratio", 1)
        _, learner = self.start_learner("run", *send, *overrides(learner__steps=3))
        relay = self.start("tpo", "relay", "--learner", learner.address, "--listen", "127.0.0.1:0", *send)
        self.assert_ended_well(self.start_worker(learner.address, "--weights", relay.address, *send), learner, relay)
        _, calls = groups_and_calls(self.collector.spans())
        seen = set()
        for spans in calls.values():
            ends = {span.kind: (service, span) for service, span in spans}
            if set(ends) == {trace_pb2.Span.SPAN_KIND_CLIENT} and never_answered(spans[0][1]):
                continue  # the learner had gone, or the caller had
            self.assertEqual(set(ends), {trace_pb2.Span.SPAN_KIND_CLIENT, trace_pb2.Span.SPAN_KIND_SERVER}, spans)
            client, caller = ends[trace_pb2.Span.SPAN_KIND_CLIENT]
            server, called = ends[trace_pb2.Span.SPAN_KIND_SERVER]
            self.assertEqual((called.parent_span_id, called.name), (caller.span_id, caller.name))
            self.assertEqual(caller.parent_span_id, b"")
            seen.add((caller.name, client, server))
        self.assertEqual(seen, {
            ("Register", "tpo-rollout", "tpo-learner"), ("LeasePrompts", "tpo-rollout", "tpo-learner"),
            ("Deregister", "tpo-rollout", "tpo-learner"),
            # Its presence with the learner, its weights, and where the relay has them from.
            ("WatchWeights", "tpo-rollout", "tpo-learner"), ("WatchWeights", "tpo-rollout", "tpo-relay"),
            ("WatchWeights", "tpo-relay", "tpo-learner")})

    def test_an_operators_call_belongs_to_the_trace_that_it_is_made_in(self):
        _, learner = self.start_learner("run", *overrides(learner__steps=10**6), "--trace_endpoint",
                                        self.collector.address)
        trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
        within = ("env", f"TRACEPARENT=00-{trace}-{parent}-01")
        self.run_to_end("tpo", "status", "--learner", learner.address, under=within)
        self.run_to_end("tpo", "admin", "checkpoint", learner.address, under=within)
        self.run_to_end("tpo", "admin", "drain", learner.address, under=within)
        self.assert_ended_well(learner)
        spans = [span for _, span in self.collector.spans()]
        self.assertEqual([span.name for span in spans], ["GetStatus", "Checkpoint", "Drain"])
        self.assertEqual({(span.trace_id.hex(), span.parent_span_id.hex()) for span in spans}, {(trace, parent)})

    def test_all_roles_choose_the_same_groups(self):
        run = self.run_all_roles(0.3)
        groups, _ = groups_and_calls(self.collector.spans())
        self.assertLess(len(groups), run.summary["ledger"]["trained"])
        for spans in groups.values():
            self.assertEqual({span.name for _, span in spans}, GROUP)

    def test_no_groups_chosen_no_traces(self):
        self.run_all_roles(0)
        self.assertEqual(self.collector.spans(), [])

    def test_one_process_with_its_own_verifier(self):
        run = self.train("run", *overrides(learner__steps=2), "--trace_endpoint", self.collector.address,
                         "--trace_sample_ratio", 1)
        groups, _ = groups_and_calls(self.collector.spans())
        self.assertEqual(len(groups), run.summary["ledger"]["trained"])
        for spans in groups.values():
            self.assertEqual({span.name for _, span in spans}, GROUP - {"judge"})

    def test_to_a_collector_with_tls(self):
        folder = self.scratch / "certificates"
        subprocess.run([harness.SOURCE / "examples/certificates/make.sh", folder, "--days", "2"], check=True,
                       stdout=subprocess.DEVNULL)
        pair = ((folder / "verifier.key").read_bytes(), (folder / "verifier.pem").read_bytes())
        collector = Collector(grpc.ssl_server_credentials([pair]))
        self.addCleanup(collector.close)
        self.train("run", *overrides(learner__steps=1), "--trace_endpoint", collector.address, "--trace_sample_ratio", 1,
                   "--trace_ca", folder / "ca.pem")
        self.assertNotEqual(collector.spans(), [])

    def test_a_collector_that_is_not_there_costs_nothing_but_the_traces(self):
        self.collector.close()
        run = self.run_all_roles(1)
        self.assert_same_course(run, self.reference(*overrides(learner__steps=3)))

    def test_a_collector_that_never_answers_costs_nothing_but_the_traces(self):
        silent = harness.SilentServer()
        self.addCleanup(silent.close)
        run, learner = self.start_learner(
            "run", *overrides(learner__steps=3), "--keep_serving", "--metrics_listen", "127.0.0.1:0",
            "--trace_endpoint", silent.address, "--trace_sample_ratio", 1)
        worker = self.start_worker(learner.address)
        self.assert_ended_well(worker)
        run.wait_for_end(learner)
        self.assert_same_course(run, self.reference(*overrides(learner__steps=3)))
        harness.wait_until(lambda: dropped(learner) > 0, "a call's deadline")
        learner.send(signal.SIGTERM)
        self.assert_ended_well(learner)


def dropped(process):
    """Spans that it couldn't get rid of."""
    with urllib.request.urlopen(f"http://{process.metrics_address}/metrics", timeout=harness.PATIENCE_SECONDS) as page:
        text = page.read().decode()
    return float(re.search(r'^tpo_trace_spans_total\{outcome="dropped"\} (\S+)$', text, re.MULTILINE)[1])


if __name__ == "__main__":
    harness.main()
