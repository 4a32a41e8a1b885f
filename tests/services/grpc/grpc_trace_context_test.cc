// W3C trace context: what each client of ours sends with each call, as any server sees it, and what
// our services make of what any client sends.
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "core/trace.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/convert.h"
#include "services/grpc/grpc_learner_client.h"
#include "services/grpc/grpc_verifier_client.h"
#include "services/grpc/grpc_verifier_replica.h"
#include "services/grpc/relay_service.h"
#include "services/grpc/weight_watcher.h"
#include "tests/services/grpc/grpc_test_support.h"
#include "tpo/v1/learner.grpc.pb.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

constexpr char kLearner[] = "/tpo.v1.LearnerService/";
constexpr char kAdmin[] = "/tpo.v1.AdminService/";
constexpr char kVerifier[] = "/tpo.v1.VerifierService/";
const SpanContext kCaller = {.trace = {1, 2}, .span = 3, .sampled = true};

// Serves nothing: every call is UNIMPLEMENTED, once its header is kept.
class HeaderKeeper : public grpc::CallbackGenericService {
 public:
  HeaderKeeper() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterCallbackGenericService(this);
    server_ = builder.BuildAndStart();
  }
  ~HeaderKeeper() override { server_->Shutdown(); }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const auto header = context->client_metadata().find("traceparent");
    const bool has = header != context->client_metadata().end();
    {
      const absl::MutexLock lock(&mutex_);
      headers_[context->method()] =
          has ? std::string(header->second.data(), header->second.size()) : "";
    }
    return grpc::CallbackGenericService::CreateReactor(context);
  }

  std::shared_ptr<grpc::Channel> NewChannel() const {
    return MakeLearnerChannel({.address = absl::StrCat("127.0.0.1:", port_)}).value();
  }

  // Waits for a call of the method. The header of the last one; empty: it had none.
  std::string HeaderOf(const std::string& method) {
    const absl::MutexLock lock(&mutex_);
    const auto called = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return headers_.count(method) > 0;
    };
    mutex_.Await(absl::Condition(&called));
    return headers_[method];
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  absl::Mutex mutex_;
  std::map<std::string, std::string> headers_ ABSL_GUARDED_BY(mutex_);
};

// For several threads.
class KeptSpans : public SpanSink {
 public:
  void Add(Span span) override {
    const absl::MutexLock lock(&mutex_);
    spans_.push_back(std::move(span));
  }
  // Waits for a span of this name; the first one.
  Span Of(const std::string& name) {
    const absl::MutexLock lock(&mutex_);
    std::optional<Span> found;
    const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (const Span& span : spans_) {
        if (!found.has_value() && span.name == name) found = span;
      }
      return found.has_value();
    };
    mutex_.Await(absl::Condition(&is_there));
    return *found;
  }
  std::vector<Span> all() const {
    const absl::MutexLock lock(&mutex_);
    return spans_;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<Span> spans_ ABSL_GUARDED_BY(mutex_);
};

// Every call of a group-less RPC that our programs make, by the method's full name.
std::map<std::string, std::function<void(HeaderKeeper&, const Tracing&)>> CallsWithoutAGroup() {
  const auto with_client = [](const std::function<void(GrpcLearnerClient&)>& call) {
    return [call](HeaderKeeper& server, const Tracing& tracing) {
      GrpcLearnerClientOptions options;
      options.tracing = tracing;
      GrpcLearnerClient client(server.NewChannel(), options);
      call(client);
    };
  };
  return {
      {absl::StrCat(kLearner, "Register"),
       with_client([](GrpcLearnerClient& client) { client.Register("w").IgnoreError(); })},
      {absl::StrCat(kLearner, "LeasePrompts"),
       with_client([](GrpcLearnerClient& client) { client.LeasePrompts("w-1").IgnoreError(); })},
      {absl::StrCat(kLearner, "Deregister"), with_client([](GrpcLearnerClient& client) {
         // Doesn't wait for a connection, as the call before does.
         client.LeasePrompts("w-1").IgnoreError();
         client.Deregister("w-1").IgnoreError();
       })},
      {absl::StrCat(kLearner, "WatchWeights"),
       [](HeaderKeeper& server, const Tracing& tracing) {
         GrpcLearnerClientOptions options;
         options.tracing = tracing;
         GrpcLearnerClient client(server.NewChannel(), options);
         // Begins the stream, which the client goes on with until it is gone.
         client.WaitForWeights("w-1", -1, absl::ZeroDuration()).IgnoreError();
         server.HeaderOf(absl::StrCat(kLearner, "WatchWeights"));
       }},
      {absl::StrCat(kVerifier, "Describe"),
       [](HeaderKeeper& server, const Tracing& tracing) {
         MakeGrpcVerifierReplica(server.NewChannel(), "v", tracing)
             ->Describe(absl::Seconds(10))
             .IgnoreError();
       }},
  };
}

TEST(TraceContext, OfACallThatBelongsToNoGroupIsOfTheCallsOwnTrace) {
  for (const auto& [method, call] : CallsWithoutAGroup()) {
    HeaderKeeper server;
    KeptSpans spans;
    call(server, {.sink = &spans, .sample_ratio = 1.0});
    const std::optional<SpanContext> sent = ParseTraceParent(server.HeaderOf(method));
    ASSERT_TRUE(sent.has_value()) << method;
    EXPECT_TRUE(sent->sampled) << method;
    // The client records the span that the header names.
    const Span span = spans.Of(method.substr(method.rfind('/') + 1));
    EXPECT_EQ(span.kind, SpanKind::kClient) << method;
    EXPECT_EQ(span.parent, 0u) << method;
    // A stream that broke is tried again, or has been cancelled meanwhile.
    if (method == absl::StrCat(kLearner, "WatchWeights")) continue;
    EXPECT_NE(span.error, "") << method;
    EXPECT_EQ(ContextOf(span), *sent) << method;
  }
}

TEST(TraceContext, IsNotSentWhereNothingIsTraced) {
  for (const double ratio : {0.0, 1.0}) {
    for (const auto& [method, call] : CallsWithoutAGroup()) {
      HeaderKeeper server;
      KeptSpans spans;
      // Without a sink, or with none that wants anything.
      call(server, {.sink = ratio == 0.0 ? &spans : nullptr, .sample_ratio = ratio});
      EXPECT_EQ(server.HeaderOf(method), "") << method;
      EXPECT_TRUE(spans.all().empty()) << method;
    }
  }
}

TEST(TraceContext, OfAnOperatorsCallIsTheOneThatItIsMadeIn) {
  HeaderKeeper server;
  const auto channel = server.NewChannel();
  constexpr absl::Duration kPatience = absl::Seconds(10);
  GetRunStatus(channel, kPatience, kCaller).IgnoreError();
  RequestCheckpoint(channel, kPatience, kCaller).IgnoreError();
  RequestDrain(channel, kPatience, kCaller).IgnoreError();
  for (const std::string& method :
       {absl::StrCat(kLearner, "GetStatus"), absl::StrCat(kAdmin, "Checkpoint"),
        absl::StrCat(kAdmin, "Drain")})
    EXPECT_EQ(ParseTraceParent(server.HeaderOf(method)), kCaller) << method;
  GetDetailedRunStatus(channel, kPatience).IgnoreError();
  EXPECT_EQ(server.HeaderOf(absl::StrCat(kLearner, "GetStatus")), "");
}

TEST(TraceContext, OfARelaysStreamIsItsOwn) {
  HeaderKeeper server;
  KeptSpans spans;
  WeightWatcher relay(server.NewChannel(), {.subscriber = WeightSubscriber::kRelay,
                                            .tracing = {.sink = &spans, .sample_ratio = 1.0}});
  const std::string method = absl::StrCat(kLearner, "WatchWeights");
  std::thread waiting([&relay] { relay.WaitForOthers({}).IgnoreError(); });
  EXPECT_TRUE(ParseTraceParent(server.HeaderOf(method)).has_value());
  relay.Close();
  waiting.join();
  EXPECT_EQ(spans.Of("WatchWeights").kind, SpanKind::kClient);
}

TEST(TraceContext, OfAVerificationIsTheRequestsUnlessTheAttemptIsTraced) {
  VerifyRequest request = MakeVerifyRequest({1});
  request.idempotency_key = "run/1/4";
  request.trace = kCaller;
  const std::string method = absl::StrCat(kVerifier, "Verify");
  {
    HeaderKeeper server;
    GrpcVerifierClient(server.NewChannel()).Verify(request).IgnoreError();
    EXPECT_EQ(ParseTraceParent(server.HeaderOf(method)), kCaller);
  }
  for (const bool traced : {false, true}) {
    HeaderKeeper server;
    KeptSpans spans;
    const auto replica = MakeGrpcVerifierReplica(
        server.NewChannel(), "v", {.sink = traced ? &spans : nullptr, .sample_ratio = 1.0});
    replica->Describe(absl::Seconds(10)).IgnoreError();  // connects
    const auto attempt = replica->NewAttempt();
    absl::Notification done;
    attempt->Start(request, absl::Seconds(10), [&](const auto&) { done.Notify(); });
    done.WaitForNotification();
    EXPECT_EQ(ParseTraceParent(server.HeaderOf(method)),
              traced ? ContextOf(spans.Of("verify")) : kCaller);
  }
}

// Calls with a header that a stranger has written.
template <typename Call>
grpc::Status CallWith(const std::string& header, const Call& call) {
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  if (!header.empty()) context.AddMetadata("traceparent", header);
  return call(&context);
}

void ExpectServed(const Span& span, const std::string& method) {
  EXPECT_EQ(span.name, method);
  EXPECT_EQ(span.trace, kCaller.trace) << method;
  EXPECT_EQ(span.parent, kCaller.span) << method;
  EXPECT_EQ(span.kind, SpanKind::kServer) << method;
  EXPECT_LE(span.start, span.end) << method;
}

class LearnerTraceContextTest : public testing::Test {
 protected:
  // All unary calls, each once.
  void CallAll(const std::string& header) {
    const auto channel = server_->InProcessChannel();
    const auto learner = v1::LearnerService::NewStub(channel);
    const auto admin = v1::AdminService::NewStub(channel);
    v1::RegisterRequest registration;
    registration.set_worker_name("w");
    registration.set_protocol_version(kProtocolVersion);
    v1::RegisterResponse registered;
    v1::LeasePromptsRequest lease;
    lease.set_worker_id("w-1");
    v1::LeasePromptsResponse leased;
    v1::DeregisterRequest leave;
    leave.set_worker_id("w-1");
    v1::DeregisterResponse left;
    v1::GetStatusResponse status;
    v1::CheckpointResponse checkpoint;
    v1::DrainResponse drained;
    const auto call = [&](const auto& what) { CallWith(header, what); };
    call([&](auto* context) { return learner->Register(context, registration, &registered); });
    call([&](auto* context) { return learner->LeasePrompts(context, lease, &leased); });
    call([&](auto* context) { return learner->Deregister(context, leave, &left); });
    call([&](auto* context) {
      return learner->GetStatus(context, v1::GetStatusRequest(), &status);
    });
    call([&](auto* context) {
      return admin->Checkpoint(context, v1::CheckpointRequest(), &checkpoint);
    });
    call([&](auto* context) { return admin->Drain(context, v1::DrainRequest(), &drained); });
    call([&](auto* context) {
      v1::WatchWeightsRequest watch;
      watch.set_worker_id("w-1");
      const auto reader = learner->WatchWeights(context, watch);
      context->TryCancel();
      v1::WatchWeightsResponse message;
      while (reader->Read(&message)) {
      }
      return reader->Finish();
    });
  }

  static constexpr const char* kMethods[] = {
      "Register", "LeasePrompts", "Deregister", "GetStatus", "Checkpoint", "Drain", "WatchWeights"};

  KeptSpans spans_;
  FakeLearner learner_;
  FakeAdmin admin_;
  WeightStore weights_;
  const std::unique_ptr<RpcService> learner_service_ =
      MakeLearnerService(&learner_, &weights_, &admin_, {.spans = &spans_});
  const std::unique_ptr<RpcService> admin_service_ =
      MakeAdminService(&admin_, nullptr, {}, &spans_);
  const std::unique_ptr<GrpcServer> server_ =
      GrpcServer::Start({.listen = "",
                         .announce = false,
                         .services = {learner_service_.get(), admin_service_.get()}})
          .value();
};

TEST_F(LearnerTraceContextTest, EachCallIsASpanInItsCallersTrace) {
  CallAll(ToTraceParent(kCaller));
  for (const char* const method : kMethods) ExpectServed(spans_.Of(method), method);
  EXPECT_EQ(spans_.all().size(), std::size(kMethods));
  // A subscriber that has enough is no fault.
  EXPECT_EQ(spans_.Of("WatchWeights").error, "");
}

TEST_F(LearnerTraceContextTest, CallsThatAreNotSampledOrMakeNoSenseAreNone) {
  SpanContext unsampled = kCaller;
  unsampled.sampled = false;
  CallAll(ToTraceParent(unsampled));
  CallAll("");
  CallAll("00-nonsense");
  CallAll(std::string(5000, '0'));
  // Once the calls' ends are all done.
  learner_service_->WaitUntilIdle(absl::Seconds(60));
  admin_service_->WaitUntilIdle(absl::Seconds(60));
  EXPECT_TRUE(spans_.all().empty());
}

TEST_F(LearnerTraceContextTest, AFailedCallSaysSo) {
  learner_.on_lease = [](const std::string&) { return absl::NotFoundError("no such worker"); };
  CallAll(ToTraceParent(kCaller));
  EXPECT_NE(spans_.Of("LeasePrompts").error.find("no such worker"), std::string::npos);
  EXPECT_EQ(spans_.Of("Register").error, "");
}

TEST(RelayTraceContext, AStreamIsASpanInItsSubscribersTrace) {
  KeptSpans spans;
  const auto relay = RelayService::Make({.spans = &spans});
  const auto server =
      GrpcServer::Start({.listen = "", .announce = false, .services = {relay.get()}}).value();
  const auto stub = v1::LearnerService::NewStub(server->InProcessChannel());
  CallWith(ToTraceParent(kCaller), [&](auto* context) {
    const auto reader = stub->WatchWeights(context, v1::WatchWeightsRequest());
    v1::WatchWeightsResponse message;
    while (reader->Read(&message)) {
    }
    return reader->Finish();
  });
  const Span span = spans.Of("WatchWeights");
  ExpectServed(span, "WatchWeights");
  EXPECT_NE(span.error.find("the relay has no weights yet"), std::string::npos);
}

// A verifier is told what to go on with.
TEST(VerifierTraceContext, AVerifierIsToldTheTraceOfItsCall) {
  for (const bool recorded : {false, true}) {
    KeptSpans spans;
    VerifierServiceOptions options;
    if (recorded) options.spans = &spans;
    std::optional<SpanContext> told;
    std::string state;
    VerifierUnderTest verifier(Transport::kInProcess, options, [&](FakeVerifier* fake) {
      fake->on_verify = [&](const VerifyRequest& request) {
        told = request.trace;
        state = request.trace_state;
        return std::vector<Verdict>(request.completions.size(), Verdict::Scored(1.0));
      };
    });
    const auto stub = v1::VerifierService::NewStub(verifier.NewChannel());
    v1::VerifyRequest request;
    ToProto(MakeVerifyRequest({1}), &request);
    v1::VerifyResponse response;
    const auto verify = [&](grpc::ClientContext* context) {
      context->AddMetadata("tracestate", "vendor=1");
      return stub->Verify(context, request, &response);
    };
    ASSERT_TRUE(CallWith(ToTraceParent(kCaller), verify).ok());
    EXPECT_EQ(told, recorded ? ContextOf(spans.Of("judge")) : kCaller);
    EXPECT_EQ(state, "vendor=1");
    ASSERT_TRUE(CallWith("", verify).ok());
    EXPECT_EQ(told, std::nullopt);
    v1::DescribeResponse description;
    ASSERT_TRUE(CallWith(ToTraceParent(kCaller), [&](auto* context) {
                  return stub->Describe(context, v1::DescribeRequest(), &description);
                }).ok());
    if (recorded) ExpectServed(spans.Of("Describe"), "Describe");
  }
}

}  // namespace
}  // namespace tpo
