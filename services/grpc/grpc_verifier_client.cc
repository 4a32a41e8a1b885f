#include "services/grpc/grpc_verifier_client.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/backoff.h"
#include "core/status_macros.h"
#include "grpcpp/channel.h"
#include "services/grpc/status.h"
#include "services/grpc/verifier_call.h"

namespace tpo {
namespace {

using VerifyResult = absl::StatusOr<std::vector<Verdict>>;

// What the worker gets for what the verifier said.
VerifyResult ToVerdicts(const VerifyRequest& request, absl::Status status,
                        const grpc::ByteBuffer& response) {
  absl::StatusOr<std::vector<Verdict>> verdicts;
  if (status.ok()) {
    verdicts = UncheckedVerdicts(response);
    status = verdicts.status();
  }
  if (absl::IsInvalidArgument(status) || absl::IsCancelled(status)) return status;
  if (!status.ok()) {
    const VerdictKind kind =
        absl::IsDeadlineExceeded(status) ? VerdictKind::kTimedOut : VerdictKind::kFailed;
    return std::vector<Verdict>(request.completions.size(),
                                Verdict::Unscored(kind, status.ToString()));
  }
  return SanitizeVerdicts(request, *std::move(verdicts));
}

std::unique_ptr<VerifierCall> NewCall(Calls* calls, absl::Duration deadline,
                                      const VerifyRequest& request) {
  return std::make_unique<VerifierCall>(calls, deadline, /*wait_for_ready=*/true, request,
                                        request.trace);
}

// How many calls are in flight.
class InFlight {
 public:
  explicit InFlight(int limit) : limit_(limit) {}
  void Enter() {
    absl::MutexLock lock(&mutex_);
    const auto has_room = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ < limit_; };
    mutex_.Await(absl::Condition(&has_room));
    ++count_;
  }
  void Leave() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }
  void WaitUntilNone() {
    absl::MutexLock lock(&mutex_);
    const auto is_none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ == 0; };
    mutex_.Await(absl::Condition(&is_none));
  }

 private:
  const int limit_;
  absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

constexpr absl::Duration kFirstOverloadPause = absl::Milliseconds(10);
constexpr absl::Duration kLongestOverloadPause = absl::Milliseconds(500);

}  // namespace

struct GrpcVerifierClient::Impl {
  const Options options;
  const std::string verify_name;
  const std::unique_ptr<v1::VerifierService::Stub> stub;
  const std::unique_ptr<grpc::GenericStub> raw_stub;
  Calls calls;
};

GrpcVerifierClient::GrpcVerifierClient(std::shared_ptr<grpc::Channel> channel,
                                       const Options& options)
    : impl_(new Impl{.options = options,
                     .verify_name = absl::StrCat("Verify at ", options.name),
                     .stub = v1::VerifierService::NewStub(channel),
                     .raw_stub = std::make_unique<grpc::GenericStub>(channel),
                     .calls = {}}) {}

GrpcVerifierClient::~GrpcVerifierClient() { Close(); }

void GrpcVerifierClient::Close() { impl_->calls.Close(); }

absl::StatusOr<std::vector<Verdict>> GrpcVerifierClient::Verify(const VerifyRequest& request) {
  return std::move(VerifyEach(absl::MakeConstSpan(&request, 1)).front());
}

std::vector<VerifyResult> GrpcVerifierClient::VerifyAll(
    const std::vector<VerifyRequest>& requests) {
  return VerifyEach(requests);
}

std::vector<VerifyResult> GrpcVerifierClient::VerifyEach(absl::Span<const VerifyRequest> requests) {
  std::vector<VerifyResult> results(requests.size());
  std::vector<absl::Time> deadlines(requests.size(), absl::InfiniteFuture());
  std::vector<size_t> left(requests.size());
  std::iota(left.begin(), left.end(), size_t{0});
  Backoff backoff(kFirstOverloadPause, kLongestOverloadPause);
  while (true) {
    left = VerifyOnce(requests, left, deadlines, results);
    if (left.empty()) return results;
    // An overloaded verifier slows its callers down; it doesn't cost them groups.
    absl::SleepFor(backoff.Next());
    const absl::Time now = absl::Now();
    std::erase_if(left, [&](size_t i) { return deadlines[i] <= now; });
  }
}

std::vector<size_t> GrpcVerifierClient::VerifyOnce(absl::Span<const VerifyRequest> requests,
                                                   const std::vector<size_t>& which,
                                                   std::vector<absl::Time>& deadlines,
                                                   std::vector<VerifyResult>& results) {
  std::vector<grpc::StatusCode> codes(which.size());
  InFlight in_flight(impl_->options.max_in_flight);
  for (size_t i = 0; i < which.size(); ++i) {
    in_flight.Enter();
    const VerifyRequest& request = requests[which[i]];
    const absl::Time now = absl::Now();
    absl::Time& deadline = deadlines[which[i]];
    deadline = std::min(deadline, now + impl_->options.deadline);
    VerifierCall* const pending = NewCall(&impl_->calls, deadline - now, request).release();
    pending->Start(impl_->raw_stub.get(),
                   [this, pending, &in_flight, &request, &code = codes[i],
                    &result = results[which[i]]](const grpc::Status& status) {
                     code = status.error_code();
                     result = ToVerdicts(request, FromGrpcStatus(status, impl_->verify_name),
                                         pending->response_bytes);
                     delete pending;
                     in_flight.Leave();
                   });
  }
  in_flight.WaitUntilNone();
  std::vector<size_t> overloaded;
  for (size_t i = 0; i < which.size(); ++i) {
    if (codes[i] == grpc::StatusCode::RESOURCE_EXHAUSTED) overloaded.push_back(which[i]);
  }
  return overloaded;
}

absl::StatusOr<VerifierDescription> GrpcVerifierClient::Describe() {
  Call call(&impl_->calls, impl_->options.deadline);
  call.context()->set_wait_for_ready(true);
  v1::DescribeResponse response;
  const grpc::Status status =
      impl_->stub->Describe(call.context(), v1::DescribeRequest(), &response);
  TPO_RETURN_IF_ERROR(FromGrpcStatus(status, absl::StrCat("Describe at ", impl_->options.name)));
  return FromProto(response);
}

}  // namespace tpo
