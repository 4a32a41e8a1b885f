#include "verifier/registry.h"

#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::ElementsAre;

// Answers every completion with its own number.
class NumberVerifier : public VerifierApi {
 public:
  NumberVerifier(double number, std::vector<std::string> tasks, bool token_rewards = true)
      : number_(number), tasks_(std::move(tasks)), token_rewards_(token_rewards) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    return std::vector<Verdict>(request.completions.size(), Verdict::Scored(number_));
  }
  absl::StatusOr<VerifierDescription> Describe() override {
    return VerifierDescription{
        .verifier = "number", .version = "1", .tasks = tasks_, .token_rewards = token_rewards_};
  }

 private:
  const double number_;
  const std::vector<std::string> tasks_;
  const bool token_rewards_;
};

VerifyRequest RequestFor(const char* task) {
  VerifyRequest request;
  request.prompt.task = task;
  request.completions = {MakeCompletion({0}, 0)};
  return request;
}

class VerifierRegistryTest : public testing::Test {
 protected:
  absl::Status Add(double number, std::vector<std::string> tasks, bool token_rewards = true) {
    return registry_.Add(std::make_unique<NumberVerifier>(number, std::move(tasks), token_rewards));
  }
  double Ask(const char* task) {
    const auto verdicts = registry_.Verify(RequestFor(task));
    EXPECT_TRUE(verdicts.ok()) << verdicts.status();
    return verdicts->front().score;
  }
  VerifierRegistry registry_;
};

TEST_F(VerifierRegistryTest, TheClosestPatternWins) {
  ASSERT_TRUE(Add(1, {"*"}).ok());
  ASSERT_TRUE(Add(2, {"math/*"}).ok());
  ASSERT_TRUE(Add(3, {"math/hard/*", "code"}).ok());
  ASSERT_TRUE(Add(4, {"math/hard/7"}).ok());
  EXPECT_EQ(Ask("poem"), 1);
  EXPECT_EQ(Ask("math/easy"), 2);
  EXPECT_EQ(Ask("math/"), 2);
  EXPECT_EQ(Ask("math/hard/8"), 3);
  EXPECT_EQ(Ask("math/hard/7"), 4);
  EXPECT_EQ(Ask("code"), 3);
  EXPECT_EQ(Ask("code2"), 1) << "a name without '*' matches itself only";
}

TEST_F(VerifierRegistryTest, AnUnknownTaskIsSaidClearly) {
  ASSERT_TRUE(Add(2, {"math/*"}).ok());
  EXPECT_THAT(registry_.Verify(RequestFor("poem")),
              HoldsStatus(absl::StatusCode::kNotFound, "'poem'"));
  EXPECT_THAT(registry_.Verify(RequestFor("")), HoldsStatus(absl::StatusCode::kNotFound, "math/*"));
}

TEST_F(VerifierRegistryTest, ManyRequestsKeepTheirOrder) {
  ASSERT_TRUE(Add(2, {"math/*"}).ok());
  ASSERT_TRUE(Add(3, {"code/*"}).ok());
  const auto results = registry_.VerifyAll(
      {RequestFor("math/1"), RequestFor("code/1"), RequestFor("poem"), RequestFor("math/2")});
  ASSERT_EQ(results.size(), 4);
  EXPECT_EQ(results[0]->front().score, 2);
  EXPECT_EQ(results[1]->front().score, 3);
  EXPECT_EQ(results[2].status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(results[3]->front().score, 2);
}

TEST_F(VerifierRegistryTest, RefusesAPatternTwice) {
  ASSERT_TRUE(Add(2, {"math/*"}).ok());
  EXPECT_THAT(Add(3, {"code", "math/*"}), IsStatus(absl::StatusCode::kAlreadyExists, "'math/*'"));
  EXPECT_EQ(registry_.Verify(RequestFor("code")).status().code(), absl::StatusCode::kNotFound)
      << "nothing of a refused verifier is added";
  EXPECT_THAT(Add(3, {}), IsStatus(absl::StatusCode::kInvalidArgument, "no task"));
  EXPECT_THAT(Add(3, {""}), IsStatus(absl::StatusCode::kInvalidArgument, "empty task"));
}

TEST_F(VerifierRegistryTest, DescribesAllItsTasks) {
  ASSERT_TRUE(Add(2, {"math/*", "code"}, /*token_rewards=*/false).ok());
  EXPECT_THAT(registry_.Describe()->tasks, ElementsAre("math/*", "code"));
  EXPECT_FALSE(registry_.Describe()->token_rewards);
  ASSERT_TRUE(Add(3, {"poem"}, /*token_rewards=*/true).ok());
  EXPECT_TRUE(registry_.Describe()->token_rewards) << "for some task at least";
}

TEST_F(VerifierRegistryTest, GivesAVerifierOtherTasksThanItDescribes) {
  ASSERT_TRUE(registry_
                  .Add(std::make_unique<NumberVerifier>(5, std::vector<std::string>{"math/*"}),
                       {"gsm8k", "aime/*"})
                  .ok());
  EXPECT_EQ(Ask("gsm8k"), 5);
  EXPECT_EQ(Ask("aime/3"), 5);
  EXPECT_EQ(registry_.Verify(RequestFor("math/1")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(registry_.Describe()->tasks, ElementsAre("gsm8k", "aime/*"));
}

// Describes what a test sets.
class DescribedVerifier : public VerifierApi {
 public:
  explicit DescribedVerifier(VerifierDescription description)
      : description_(std::move(description)) {}
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest&) override {
    return absl::UnimplementedError("");
  }
  absl::StatusOr<VerifierDescription> Describe() override { return description_; }

 private:
  const VerifierDescription description_;
};

TEST_F(VerifierRegistryTest, DescribesOneVerifierAsItselfAndSeveralByTheirLeastLimits) {
  VerifierDescription judge;
  judge.verifier = "judge";
  judge.version = "3";
  judge.tasks = {"poem"};
  judge.max_completions = 64;
  judge.typical_latency = absl::Seconds(2);
  ASSERT_TRUE(registry_.Add(std::make_unique<DescribedVerifier>(judge)).ok());
  EXPECT_EQ(registry_.Describe()->verifier, "judge");
  EXPECT_EQ(registry_.Describe()->version, "3");
  VerifierDescription sandbox;
  sandbox.tasks = {"code"};
  sandbox.max_completions = 16;
  sandbox.max_request_bytes = 1000;
  sandbox.typical_latency = absl::Seconds(1);
  ASSERT_TRUE(registry_.Add(std::make_unique<DescribedVerifier>(sandbox)).ok());
  const VerifierDescription both = registry_.Describe().value();
  EXPECT_EQ(both.verifier, "registry");
  EXPECT_EQ(both.max_completions, 16);
  EXPECT_EQ(both.max_request_bytes, 1000);
  EXPECT_EQ(both.typical_latency, absl::Seconds(2));
}

TEST_F(VerifierRegistryTest, SaysWhoJudgesATask) {
  VerifierDescription judge;
  judge.verifier = "judge";
  judge.version = "3";
  judge.tasks = {"poem/*"};
  ASSERT_TRUE(registry_.Add(std::make_unique<DescribedVerifier>(judge)).ok());
  ASSERT_TRUE(Add(2, {"math/*"}).ok());
  EXPECT_EQ(registry_.JudgeOf("poem/short")->verifier, "judge");
  EXPECT_EQ(registry_.JudgeOf("poem/short")->version, "3");
  EXPECT_EQ(registry_.JudgeOf("math/1")->verifier, "number");
  EXPECT_FALSE(registry_.JudgeOf("code").has_value());
}

TEST(BuiltInVerifiersTest, ServeTheSequenceTasks) {
  const auto registry = VerifierRegistry::BuiltIn();
  ASSERT_TRUE(registry.ok()) << registry.status();
  VerifyRequest request = RequestFor("sequence/copy/terminal");
  request.prompt.reference_tokens = {0};
  const auto verdicts = (*registry)->Verify(request);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status();
  EXPECT_EQ(verdicts->front().score, 1.0);
}

TEST(BuiltInVerifiersTest, ServeMathematics) {
  const auto registry = VerifierRegistry::BuiltIn();
  ASSERT_TRUE(registry.ok()) << registry.status();
  VerifyRequest request = RequestFor("math/fractions");
  request.prompt.reference_answer = "\\frac{1}{2}";
  request.completions[0].text = "It is \\boxed{0.5}.";
  const auto verdicts = (*registry)->Verify(request);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status();
  EXPECT_EQ(verdicts->front().score, 1.0);
}

TEST(BuiltInVerifiersTest, ServeExactMatches) {
  const auto registry = VerifierRegistry::BuiltIn();
  ASSERT_TRUE(registry.ok()) << registry.status();
  VerifyRequest request = RequestFor("exact_match/capitals");
  request.prompt.reference_answer = "Bern";
  request.completions[0].text = " Bern\n";
  const auto verdicts = (*registry)->Verify(request);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status();
  EXPECT_EQ(verdicts->front().score, 1.0);
}

}  // namespace
}  // namespace tpo
