#include "learner/learner_endpoint.h"

#include "tests/core/learner_api_contract.h"

namespace tpo {
namespace {

class EndpointFactory {
 public:
  explicit EndpointFactory(const LearnerContractParts& parts)
      : endpoint_(parts.run, parts.lease_book, parts.weights, parts.clock) {}
  LearnerApi& api() { return endpoint_; }

 private:
  LearnerEndpoint endpoint_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Endpoint, LearnerApiContract, EndpointFactory);

class LearnerEndpointTest : public testing::Test {
 protected:
  SequencePromptSource source_{{.vocab_size = 2, .length = 2}, 7};
  FakeClock clock_;
  WeightStore weights_;
  LeaseBook lease_book_{{.prompts_per_lease = 2,
                         .prompts_per_step = 4,
                         .steps = 2,
                         .lease_time_to_live = absl::Seconds(30)},
                        &source_,
                        &clock_};
  RunInfo run_;
  LearnerEndpoint endpoint_{run_, &lease_book_, &weights_, &clock_};
};

TEST_F(LearnerEndpointTest, CountsTheWorkersThatCalledWithinAMinute) {
  EXPECT_EQ(endpoint_.worker_count(), 0);
  const std::string first = endpoint_.Register("a")->worker_id;
  const std::string second = endpoint_.Register("b")->worker_id;
  EXPECT_EQ(endpoint_.worker_count(), 2);
  clock_.Advance(absl::Seconds(40));
  ASSERT_TRUE(endpoint_.LeasePrompts(first).ok());
  clock_.Advance(absl::Seconds(40));
  EXPECT_EQ(endpoint_.worker_count(), 1);
  EXPECT_TRUE(endpoint_.LeasePrompts(second).ok()) << "not forgotten, only absent";
  EXPECT_EQ(endpoint_.worker_count(), 2);
}

TEST_F(LearnerEndpointTest, AWorkerOfAFormerLifeIsUnknown) {
  LearnerEndpoint former(run_, &lease_book_, &weights_, &clock_);
  const std::string worker = former.Register("a")->worker_id;
  endpoint_.Register("b").IgnoreError();
  EXPECT_THAT(endpoint_.LeasePrompts(worker),
              HoldsStatus(absl::StatusCode::kNotFound, "register again"));
  EXPECT_THAT(endpoint_.WaitForWeights(worker, -1, absl::ZeroDuration()),
              HoldsStatus(absl::StatusCode::kNotFound, worker));
}

TEST_F(LearnerEndpointTest, RemembersABoundedNumberOfWorkers) {
  const std::string first = endpoint_.Register("a")->worker_id;
  const std::string second = endpoint_.Register("b")->worker_id;
  clock_.Advance(absl::Seconds(1));
  ASSERT_TRUE(endpoint_.LeasePrompts(first).ok());  // so `second` was silent for longest
  clock_.Advance(absl::Seconds(1));
  for (size_t i = 2; i <= LearnerEndpoint::kMaxWorkers; ++i) {
    ASSERT_TRUE(endpoint_.Register("c").ok());
  }
  EXPECT_EQ(endpoint_.worker_count(), LearnerEndpoint::kMaxWorkers);
  EXPECT_TRUE(endpoint_.LeasePrompts(first).ok());
  EXPECT_THAT(endpoint_.LeasePrompts(second), HoldsStatus(absl::StatusCode::kNotFound, second));
}

}  // namespace
}  // namespace tpo
