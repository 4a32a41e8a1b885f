// A verifier that keeps the contract, but for one fault that a test gives it.
#ifndef TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTY_VERIFIER_H_
#define TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTY_VERIFIER_H_

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {

class FaultyVerifier;

struct Fault {
  std::string name;
  // The check that must find it.
  std::string check;
  // What the server answers instead; nothing: as it should.
  std::function<std::optional<grpc::Status>(FaultyVerifier&, const v1::VerifyRequest&,
                                            v1::VerifyResponse*)>
      instead = nullptr;
  // Spoils a right answer.
  std::function<void(const v1::VerifyRequest&, v1::VerifyResponse*)> spoil = nullptr;
  // What Describe answers instead of OK, or besides.
  std::function<grpc::Status(v1::DescribeResponse*)> describe = nullptr;
  bool has_health = true;
  bool is_serving = true;
  bool task_is_serving = true;
  int max_receive_bytes = 1 << 20;
  // Whether it makes the server fall silent: the checks wait then.
  bool hangs = false;

  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }
};

// Scores the task "text": 1 for the reference answer, else the share of letters "4" in the text.
class FaultyVerifier : public v1::VerifierService::Service {
 public:
  static constexpr int kMaxCompletions = 100;
  static constexpr int kMaxRequestBytes = 1 << 20;

  explicit FaultyVerifier(Fault fault) : fault_(std::move(fault)) {
    grpc::EnableDefaultHealthCheckService(fault_.has_health);
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.SetMaxReceiveMessageSize(fault_.max_receive_bytes);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    if (!fault_.has_health) return;
    server_->GetHealthCheckService()->SetServingStatus("", fault_.is_serving);
    if (!fault_.task_is_serving) {
      server_->GetHealthCheckService()->SetServingStatus("tpo.v1.VerifierService/text", false);
    }
  }
  ~FaultyVerifier() override {
    {
      absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    server_->Shutdown(std::chrono::system_clock::now());
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

  grpc::Status Verify(grpc::ServerContext*, const v1::VerifyRequest* request,
                      v1::VerifyResponse* response) override {
    WaitWhileSilent();
    if (fault_.instead) {
      if (const auto status = fault_.instead(*this, *request, response)) return *status;
    }
    const grpc::Status status = Judge(*request, response);
    if (status.ok() && fault_.spoil) fault_.spoil(*request, response);
    return status;
  }

  grpc::Status Describe(grpc::ServerContext*, const v1::DescribeRequest*,
                        v1::DescribeResponse* response) override {
    response->set_verifier("faulty");
    response->set_verifier_version("3");
    response->add_tasks("text");
    response->set_max_completions(kMaxCompletions);
    response->set_max_request_bytes(kMaxRequestBytes);
    response->set_token_rewards(true);
    return fault_.describe ? fault_.describe(response) : grpc::Status::OK;
  }

  // As the contract demands.
  static grpc::Status Judge(const v1::VerifyRequest& request, v1::VerifyResponse* response) {
    if (!request.has_prompt() || request.completions().empty())
      return {grpc::StatusCode::INVALID_ARGUMENT, "prompt or completions: missing"};
    if (request.completions_size() > kMaxCompletions)
      return {grpc::StatusCode::INVALID_ARGUMENT, "completions: too many"};
    JudgeAll(request, response);
    return grpc::Status::OK;
  }

  // The same without looking at the request as a whole.
  static void JudgeAll(const v1::VerifyRequest& request, v1::VerifyResponse* response) {
    for (const v1::Completion& completion : request.completions()) {
      v1::Verdict* verdict = response->add_verdicts();
      if (request.prompt().task() != "text") {
        verdict->set_kind(v1::VERDICT_KIND_ABSTAINED);
      } else {
        Score(request, completion, verdict);
      }
    }
  }

  static void Score(const v1::VerifyRequest& request, const v1::Completion& completion,
                    v1::Verdict* verdict) {
    const std::string& text = completion.text();
    const auto fours = static_cast<double>(std::count(text.begin(), text.end(), '4'));
    const bool right = text == request.prompt().reference_answer();
    verdict->set_kind(v1::VERDICT_KIND_SCORED);
    verdict->set_score(right ? 1.0 : fours / static_cast<double>(text.size() + 1));
    (*verdict->mutable_components())["fours"] = fours;
    if (request.want_token_rewards()) {
      for (int i = 0; i < completion.tokens_size(); ++i)
        verdict->add_token_rewards(static_cast<float>(verdict->score()));
    }
  }

  // From now on no call ends.
  void FallSilent() {
    absl::MutexLock lock(&mutex_);
    silent_ = true;
  }
  void WaitWhileSilent() {
    absl::MutexLock lock(&mutex_);
    const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !silent_ || ending_;
    };
    mutex_.Await(absl::Condition(&may_go_on));
  }

  // Counts a call in; returns its number, from 1 on.
  int CountIn() {
    absl::MutexLock lock(&mutex_);
    return ++count_;
  }
  void WaitForCount(int count) {
    absl::MutexLock lock(&mutex_);
    const auto is_there = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return count_ >= count || ending_;
    };
    mutex_.Await(absl::Condition(&is_there));
  }

  // A request that all calls share, as they never should.
  void SetShared(const v1::VerifyRequest& request) {
    absl::MutexLock lock(&mutex_);
    shared_ = request;
  }
  v1::VerifyRequest shared() const {
    absl::MutexLock lock(&mutex_);
    return shared_;
  }

 private:
  const Fault fault_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  bool silent_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  v1::VerifyRequest shared_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_VERIFIER_CHECK_FAULTY_VERIFIER_H_
