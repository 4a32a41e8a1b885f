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

TEST_F(LearnerEndpointTest, SumsTheWorkersTimesFromTheirFirstReportOn) {
  const std::string first = endpoint_.Register("a")->worker_id;
  const std::string second = endpoint_.Register("b")->worker_id;
  const auto sampled = [](int seconds) {
    WorkerTimes times;
    times.sampling = absl::Seconds(seconds);
    return times;
  };
  endpoint_.ReportTimes(first, sampled(100));  // most of it with a former life of the learner
  endpoint_.ReportTimes(second, sampled(0));
  EXPECT_EQ(endpoint_.worker_times(), WorkerTimes());
  endpoint_.ReportTimes(first, sampled(103));
  endpoint_.ReportTimes(second, sampled(4));
  endpoint_.ReportTimes(second, sampled(3));  // overtaken on the way
  endpoint_.ReportTimes("nobody", sampled(50));
  EXPECT_EQ(endpoint_.worker_times(), sampled(7));
}

TEST_F(LearnerEndpointTest, ShowsTheWorkersOfTheLastTenMinutesThoseThatCalledLastFirst) {
  EXPECT_TRUE(endpoint_.workers_seen().empty());
  const std::string silent = endpoint_.Register("silent")->worker_id;
  clock_.Advance(absl::Minutes(3));
  const std::string busy = endpoint_.Register("busy")->worker_id;
  const Lease lease = std::get<Lease>(endpoint_.LeasePrompts(busy).value());
  Group group;
  group.lease_id = lease.id;
  group.prompt_id = lease.prompts.front().id;
  group.completions.resize(1);  // one more than the run asks for
  EXPECT_EQ(endpoint_.SubmitGroups(busy, {group}).value().front().outcome, SubmitOutcome::kInvalid);
  std::vector<WorkerStatus> seen = endpoint_.workers_seen();
  ASSERT_EQ(seen.size(), 2);
  EXPECT_EQ(seen[0].name, "busy");
  EXPECT_EQ(seen[0].idle, absl::ZeroDuration());
  EXPECT_EQ(seen[0].groups_refused, 1);
  EXPECT_EQ(seen[0].groups_accepted, 0);
  EXPECT_EQ(seen[0].weight_version, -1);
  EXPECT_EQ(seen[1].name, "silent");
  EXPECT_EQ(seen[1].idle, absl::Minutes(3));
  clock_.Advance(absl::Minutes(8));
  seen = endpoint_.workers_seen();
  ASSERT_EQ(seen.size(), 1);
  EXPECT_EQ(seen[0].name, "busy");
  for (size_t i = 0; i < 2 * LearnerEndpoint::kMostShown; ++i)
    endpoint_.Register(absl::StrCat("worker", i)).IgnoreError();
  EXPECT_EQ(endpoint_.workers_seen().size(), LearnerEndpoint::kMostShown);
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

using Connection = LearnerEndpoint::Connection;

TEST_F(LearnerEndpointTest, NobodyWaitsForAWorkerThatLeft) {
  const std::string leaving = endpoint_.Register("a")->worker_id;
  const std::string staying = endpoint_.Register("b")->worker_id;
  ASSERT_TRUE(endpoint_.LeasePrompts(leaving).ok());
  lease_book_.Drain();
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
  ASSERT_TRUE(endpoint_.Deregister(leaving).ok());
  EXPECT_EQ(endpoint_.worker_count(), 1);
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration())) << "the other wasn't told yet";
  ASSERT_TRUE(endpoint_.LeasePrompts(staying).ok());
  EXPECT_TRUE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
}

TEST_F(LearnerEndpointTest, AWorkerWhoseConnectionIsLostIsGoneUnlessItComesBack) {
  const std::string dead = endpoint_.Register("a")->worker_id;
  const std::string alive = endpoint_.Register("b")->worker_id;
  for (const std::string& worker : {dead, alive}) {
    endpoint_.OnConnection(worker, Connection::kOpened);
    ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  }
  EXPECT_EQ(lease_book_.ledger().leased, 4);
  for (const std::string& worker : {dead, alive}) {
    endpoint_.OnConnection(worker, Connection::kLost);
  }
  EXPECT_EQ(endpoint_.worker_count(), 2) << "there is time to come back";
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
  endpoint_.OnConnection(alive, Connection::kOpened);
  clock_.Advance(LearnerEndpoint::kReturnTime);
  EXPECT_EQ(endpoint_.worker_count(), 1);
  const auto again = endpoint_.LeasePrompts(alive);
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE(std::holds_alternative<Lease>(*again)) << "long before the lease expires";
  EXPECT_EQ(std::get<Lease>(*again).prompts.front().id, 0);
  EXPECT_EQ(lease_book_.ledger().expired, 2);
  lease_book_.Drain();
  ASSERT_TRUE(endpoint_.LeasePrompts(alive).ok());
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration())) << "it has two leases";
  ASSERT_TRUE(endpoint_.Deregister(alive).ok());
  EXPECT_TRUE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
}

TEST_F(LearnerEndpointTest, AWorkerThatWasToldIsWaitedForUntilItHasHandedInWhatItHolds) {
  const std::string worker = endpoint_.Register("a")->worker_id;
  ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  lease_book_.Drain();
  ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
  clock_.Advance(absl::Seconds(30));  // the lease's time
  ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  EXPECT_TRUE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
  EXPECT_EQ(lease_book_.ledger().expired, 2);
}

TEST_F(LearnerEndpointTest, NobodyWaitsForTheLeasesOfALostWorker) {
  const std::string worker = endpoint_.Register("a")->worker_id;
  endpoint_.OnConnection(worker, Connection::kOpened);
  ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  lease_book_.Drain();
  endpoint_.OnConnection(worker, Connection::kLost);
  EXPECT_FALSE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
  clock_.Advance(LearnerEndpoint::kReturnTime);
  EXPECT_TRUE(endpoint_.WaitUntilDismissed(absl::ZeroDuration()));
}

TEST_F(LearnerEndpointTest, AWorkerThatCallsIsThereWhateverItsConnection) {
  const std::string worker = endpoint_.Register("a")->worker_id;
  endpoint_.OnConnection(worker, Connection::kOpened);
  ASSERT_TRUE(endpoint_.LeasePrompts(worker).ok());
  endpoint_.OnConnection(worker, Connection::kLost);
  clock_.Advance(LearnerEndpoint::kReturnTime);
  EXPECT_EQ(endpoint_.worker_count(), 0);
  ASSERT_TRUE(endpoint_.SubmitGroups(worker, {}).ok());
  EXPECT_EQ(endpoint_.worker_count(), 1);
  EXPECT_EQ(lease_book_.ledger().expired, 0) << "nobody has asked for its prompts meanwhile";
}

TEST_F(LearnerEndpointTest, ConnectionsThatTheLearnerEndsTellNothing) {
  const std::string worker = endpoint_.Register("a")->worker_id;
  endpoint_.OnConnection(worker, Connection::kOpened);
  endpoint_.OnConnection(worker, Connection::kClosed);
  clock_.Advance(2 * LearnerEndpoint::kReturnTime);
  EXPECT_EQ(endpoint_.worker_count(), 1) << "it may be busy with a lease";
  // One of two that overlapped.
  endpoint_.OnConnection(worker, Connection::kOpened);
  endpoint_.OnConnection(worker, Connection::kOpened);
  endpoint_.OnConnection(worker, Connection::kLost);
  clock_.Advance(2 * LearnerEndpoint::kReturnTime);
  EXPECT_EQ(endpoint_.worker_count(), 1);
  endpoint_.OnConnection("stranger", Connection::kLost);
}

TEST_F(LearnerEndpointTest, RemembersABoundedNumberOfWorkers) {
  const std::string first = endpoint_.Register("a")->worker_id;
  const std::string second = endpoint_.Register("b")->worker_id;
  clock_.Advance(absl::Seconds(1));  // so `second` is silent for longest
  for (size_t i = 2; i < LearnerEndpoint::kMaxWorkers; ++i) {
    ASSERT_TRUE(endpoint_.Register("c").ok());
  }
  EXPECT_EQ(endpoint_.worker_count(), LearnerEndpoint::kMaxWorkers);
  EXPECT_THAT(endpoint_.Register("d"), HoldsStatus(absl::StatusCode::kResourceExhausted, "4096"))
      << "nobody who works is driven away";
  ASSERT_TRUE(endpoint_.LeasePrompts(first).ok());
  clock_.Advance(LearnerEndpoint::kPresence);
  EXPECT_TRUE(endpoint_.Register("d").ok());
  EXPECT_TRUE(endpoint_.LeasePrompts(first).ok());
  EXPECT_THAT(endpoint_.LeasePrompts(second), HoldsStatus(absl::StatusCode::kNotFound, second));
}

}  // namespace
}  // namespace tpo
