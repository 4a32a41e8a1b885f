// Calls with bytes in place of messages, whatever they are.
#ifndef TPO_TESTS_SERVICES_GRPC_RAW_CALL_H_
#define TPO_TESTS_SERVICES_GRPC_RAW_CALL_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/support/stub_options.h"

namespace tpo {

inline grpc::ByteBuffer ToBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}

inline std::string ToText(const grpc::ByteBuffer& buffer) {
  std::string text;
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices)
    text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}

// A unary call of "/package.Service/Method".
inline grpc::Status CallRaw(const std::shared_ptr<grpc::Channel>& channel,
                            const std::string& method, std::string_view request,
                            std::string* response) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::ByteBuffer request_buffer = ToBuffer(request);
  grpc::ByteBuffer response_buffer;
  grpc::Status status;
  absl::Notification done;
  stub.UnaryCall(&context, method, grpc::StubOptions(), &request_buffer, &response_buffer,
                 [&](grpc::Status result) {
                   status = std::move(result);
                   done.Notify();
                 });
  done.WaitForNotification();
  if (status.ok()) *response = ToText(response_buffer);
  return status;
}

// A stream in both directions: sends the requests, and takes what comes until the server ends it
// or, with `limit` answers or at the end of `patience`, leaves.
class RawStream : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  static grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                           const std::vector<std::string>& requests, size_t limit,
                           std::vector<std::string>* responses,
                           std::chrono::milliseconds patience = std::chrono::minutes(1)) {
    grpc::GenericStub stub(channel);
    RawStream stream(requests, limit, responses);
    stream.context_.set_deadline(std::chrono::system_clock::now() + patience);
    stub.PrepareBidiStreamingCall(&stream.context_, method, grpc::StubOptions(), &stream);
    stream.StartRead(&stream.response_);
    stream.WriteNext();
    stream.StartCall();
    stream.done_.WaitForNotification();
    return stream.status_;
  }

  void OnWriteDone(bool ok) override {
    if (ok) WriteNext();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    responses_->push_back(ToText(response_));
    if (responses_->size() >= limit_) return context_.TryCancel();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    status_ = status;
    done_.Notify();
  }

 private:
  RawStream(const std::vector<std::string>& requests, size_t limit,
            std::vector<std::string>* responses)
      : requests_(requests), limit_(limit), responses_(responses) {}

  void WriteNext() {
    if (written_ == requests_.size()) return StartWritesDone();
    request_ = ToBuffer(requests_[written_++]);
    StartWrite(&request_);
  }

  const std::vector<std::string>& requests_;
  const size_t limit_;
  std::vector<std::string>* const responses_;
  grpc::ClientContext context_;
  size_t written_ = 0;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  absl::Notification done_;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_GRPC_RAW_CALL_H_
