#include "services/engine/patient_verifier.h"

#include <atomic>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace tpo {
namespace {

// Refuses so many requests, then scores.
class BusyVerifier : public VerifierApi {
 public:
  explicit BusyVerifier(int refusals) : refusals_(refusals) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    ++asked;
    if (!refused.HasBeenNotified()) refused.Notify();
    if (refusals_ == 0) {
      return std::vector<Verdict>(request.completions.size(),
                                  Verdict::Scored(static_cast<double>(request.prompt.id)));
    }
    if (refusals_ > 0) --refusals_;
    return absl::ResourceExhaustedError("busy");
  }
  absl::StatusOr<VerifierDescription> Describe() override { return VerifierDescription(); }

  int asked = 0;
  absl::Notification refused;

 private:
  int refusals_;  // negative: all
};

std::vector<VerifyRequest> Requests(int count) {
  std::vector<VerifyRequest> requests(count);
  for (int i = 0; i < count; ++i) {
    requests[i].prompt.id = i;
    requests[i].completions.resize(2);
  }
  return requests;
}

TEST(PatientVerifier, AsksAgainAboutWhatWasRefused) {
  auto busy = std::make_unique<BusyVerifier>(3);
  BusyVerifier& inner = *busy;
  const auto verifier = MakePatientVerifier(std::move(busy));
  const auto results = verifier->VerifyAll(Requests(4));
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(results[i].ok()) << results[i].status();
    EXPECT_EQ(results[i]->at(1).score, i);
  }
  EXPECT_EQ(inner.asked, 7);
  EXPECT_TRUE(verifier->Verify(Requests(1)[0]).ok());
}

TEST(PatientVerifier, GivesUpAtTheDeadlineAndWhenNobodyWaits) {
  const auto verifier = MakePatientVerifier(std::make_unique<BusyVerifier>(-1));
  auto requests = Requests(2);
  requests[0].deadline = absl::InfinitePast();
  requests[1].cancelled = [] { return true; };
  for (const auto& result : verifier->VerifyAll(requests))
    EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
}

TEST(PatientVerifier, EndsWhenItIsClosed) {
  auto busy = std::make_unique<BusyVerifier>(-1);
  BusyVerifier& inner = *busy;
  const auto verifier = MakePatientVerifier(std::move(busy));
  std::thread closer([&] {
    inner.refused.WaitForNotification();
    verifier->Close();
  });
  EXPECT_TRUE(absl::IsCancelled(verifier->Verify(Requests(1)[0]).status()));
  closer.join();
}

}  // namespace
}  // namespace tpo
