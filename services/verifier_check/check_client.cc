#include "services/verifier_check/check_client.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/grpc/message_limits.h"

namespace tpo {
namespace {

void SetDeadline(grpc::ClientContext* context, absl::Duration deadline) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
}

bool WantsToBeAskedAgain(const grpc::Status& status) {
  return (status.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED &&
          !SaysTooLarge(status.error_message())) ||
         status.error_code() == grpc::StatusCode::UNAVAILABLE;
}

std::string Flatten(grpc::ByteBuffer* buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (!buffer->Valid() || !buffer->Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

struct Pending {
  grpc::ClientContext context;
  absl::Time start;
};

}  // namespace

CheckClient::CheckClient(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout)
    : channel_(std::move(channel)),
      stub_(v1::VerifierService::NewStub(channel_)),
      timeout_(timeout) {}

VerifyAnswer CheckClient::Verify(const v1::VerifyRequest& request) {
  VerifyAnswer answer;
  grpc::ClientContext context;
  SetDeadline(&context, timeout_);
  const absl::Time start = absl::Now();
  answer.status = stub_->Verify(&context, request, &answer.response);
  answer.duration = absl::Now() - start;
  return answer;
}

VerifyAnswer CheckClient::VerifyPatiently(const v1::VerifyRequest& request,
                                          absl::Duration patience) {
  const absl::Time start = absl::Now();
  absl::Duration pause = absl::Milliseconds(5);
  while (true) {
    const absl::Duration left = patience - (absl::Now() - start);
    VerifyAnswer answer = std::move(VerifyAllWithin({request}, {std::min(left, timeout_)}).front());
    answer.duration = absl::Now() - start;
    if (!WantsToBeAskedAgain(answer.status) || answer.duration + pause >= patience) return answer;
    absl::SleepFor(pause);
    pause = std::min(2 * pause, absl::Milliseconds(500));
  }
}

std::vector<VerifyAnswer> CheckClient::VerifyAll(const std::vector<v1::VerifyRequest>& requests) {
  return VerifyAllWithin(requests, std::vector<absl::Duration>(requests.size(), timeout_));
}

std::vector<VerifyAnswer> CheckClient::VerifyAllWithin(
    const std::vector<v1::VerifyRequest>& requests, const std::vector<absl::Duration>& deadlines) {
  return VerifyAtOnce(requests, deadlines, absl::InfiniteDuration());
}

std::vector<VerifyAnswer> CheckClient::VerifyAllAndCancel(
    const std::vector<v1::VerifyRequest>& requests, absl::Duration pause) {
  return VerifyAtOnce(requests, std::vector<absl::Duration>(requests.size(), timeout_), pause);
}

std::vector<VerifyAnswer> CheckClient::VerifyAtOnce(const std::vector<v1::VerifyRequest>& requests,
                                                    const std::vector<absl::Duration>& deadlines,
                                                    absl::Duration cancel_after) {
  std::vector<VerifyAnswer> answers(requests.size());
  std::deque<Pending> calls;
  absl::BlockingCounter left(static_cast<int>(requests.size()));
  absl::Notification all_done;
  for (size_t i = 0; i < requests.size(); ++i) {
    Pending& call = calls.emplace_back();
    SetDeadline(&call.context, deadlines[i]);
    call.start = absl::Now();
    stub_->async()->Verify(&call.context, &requests[i], &answers[i].response,
                           [&left, &all_done, &answer = answers[i], &call](grpc::Status status) {
                             answer.duration = absl::Now() - call.start;
                             answer.status = std::move(status);
                             if (left.DecrementCount()) all_done.Notify();
                           });
  }
  if (!all_done.WaitForNotificationWithTimeout(cancel_after)) {
    for (Pending& call : calls) call.context.TryCancel();
  }
  all_done.WaitForNotification();
  left.Wait();
  return answers;
}

DescribeAnswer CheckClient::Describe() {
  DescribeAnswer answer;
  grpc::ClientContext context;
  SetDeadline(&context, timeout_);
  answer.status = stub_->Describe(&context, v1::DescribeRequest(), &answer.response);
  return answer;
}

// The two messages of the standard health service have one field each, so that they are written and
// read here by hand: HealthCheckRequest{string service = 1}, HealthCheckResponse{status = 1}.
HealthAnswer CheckClient::CheckHealth(const std::string& service) {
  std::string bytes;
  if (!service.empty()) {
    bytes += '\x0A';
    size_t length = service.size();
    for (; length >= 0x80; length >>= 7) bytes += static_cast<char>(length | 0x80);
    bytes += static_cast<char>(length);
    bytes += service;
  }
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  SetDeadline(&context, timeout_);
  HealthAnswer answer;
  absl::Notification done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) {
                   answer.status = std::move(status);
                   done.Notify();
                 });
  done.WaitForNotification();
  const std::string answered = Flatten(&response);
  if (answered.size() == 2 && answered[0] == '\x08' && answered[1] >= 0 && answered[1] <= 3)
    answer.health = static_cast<Health>(answered[1]);
  return answer;
}

}  // namespace tpo
