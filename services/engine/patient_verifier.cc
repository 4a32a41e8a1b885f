#include "services/engine/patient_verifier.h"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/backoff.h"

namespace tpo {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(5);
constexpr absl::Duration kLongestPause = absl::Seconds(1);

class PatientVerifier : public VerifierApi {
 public:
  explicit PatientVerifier(std::unique_ptr<VerifierApi> verifier)
      : verifier_(std::move(verifier)) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    return std::move(VerifyAll({request})[0]);
  }

  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override {
    auto results = verifier_->VerifyAll(requests);
    Backoff backoff(kFirstPause, kLongestPause);
    while (true) {
      std::vector<size_t> refused;
      for (size_t i = 0; i < results.size(); ++i) {
        if (absl::IsResourceExhausted(results[i].status()) && IsWanted(requests[i]))
          refused.push_back(i);
      }
      if (refused.empty()) return results;
      if (Pause(backoff.Next())) {
        for (const size_t i : refused) results[i] = absl::CancelledError("the verifier was closed");
        return results;
      }
      std::vector<VerifyRequest> again;
      again.reserve(refused.size());
      for (const size_t i : refused) again.push_back(requests[i]);
      auto answers = verifier_->VerifyAll(again);
      for (size_t i = 0; i < refused.size(); ++i) results[refused[i]] = std::move(answers[i]);
    }
  }

  absl::StatusOr<VerifierDescription> Describe() override { return verifier_->Describe(); }
  std::optional<VerifierIdentity> JudgeOf(const std::string& task) const override {
    return verifier_->JudgeOf(task);
  }

  void Close() override {
    {
      const absl::MutexLock lock(&mutex_);
      closed_ = true;
    }
    verifier_->Close();
  }

 private:
  static bool IsWanted(const VerifyRequest& request) {
    return absl::Now() < request.deadline && !(request.cancelled && request.cancelled());
  }

  // Whether it was closed meanwhile.
  bool Pause(absl::Duration pause) {
    const absl::MutexLock lock(&mutex_);
    return mutex_.AwaitWithTimeout(absl::Condition(&closed_), pause);
  }

  const std::unique_ptr<VerifierApi> verifier_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<VerifierApi> MakePatientVerifier(std::unique_ptr<VerifierApi> verifier) {
  return std::make_unique<PatientVerifier>(std::move(verifier));
}

}  // namespace tpo
