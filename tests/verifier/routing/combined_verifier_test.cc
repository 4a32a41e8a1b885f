#include "verifier/routing/combined_verifier.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/verifier/routing/routing_test_support.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;

// Answers at once.
class NumberVerifier : public AsyncVerifier {
 public:
  explicit NumberVerifier(double number) : number_(number) {}
  void VerifyAsync(const VerifyRequest& request, std::function<void(Result)> done) override {
    ++asked;
    wanted_token_rewards = request.want_token_rewards;
    if (!status.ok()) return done(status);
    done(std::vector<Verdict>(request.completions.size(), Verdict::Scored(number_)));
  }
  absl::StatusOr<VerifierDescription> Describe() override { return VerifierDescription(); }
  void Close() override { closed = true; }

  int asked = 0;
  bool wanted_token_rewards = false;
  bool closed = false;
  absl::Status status;

 private:
  const double number_;
};

class CombinedVerifierTest : public testing::Test {
 protected:
  NumberVerifier* Add(const char* name, double number, std::vector<std::string> tasks,
                      VerifierRole role = VerifierRole::kScore, bool token_rewards = true) {
    auto verifier = std::make_unique<NumberVerifier>(number);
    NumberVerifier* const raw = verifier.get();
    members_.push_back({.name = name,
                        .tasks = std::move(tasks),
                        .role = role,
                        .weight = 1.0,
                        .token_rewards = token_rewards,
                        .verifier = std::move(verifier)});
    return raw;
  }
  absl::Status Make(bool want_token_rewards = false) {
    auto made = CombinedVerifier::Make(std::move(members_), ScoreCombination::kWeightedSum,
                                       want_token_rewards);
    members_.clear();
    if (made.ok()) verifier_ = *std::move(made);
    return made.status();
  }

  std::vector<CombinedVerifier::Member> members_;
  std::unique_ptr<CombinedVerifier> verifier_;
};

TEST_F(CombinedVerifierTest, AllWhoseTasksMatchJudge) {
  NumberVerifier* const code = Add("code", 100, {"code/*"});
  Add("math", 1, {"math/*"});
  Add("any", 10, {"*"});
  ASSERT_TRUE(Make().ok());
  const auto results = verifier_->VerifyAll(
      {RequestOf(2, "math/easy"), RequestOf(1, "poem"), RequestOf(1, "code/c")});
  ASSERT_EQ(results.size(), 3U);
  ASSERT_EQ(results[0].value().size(), 2U);
  EXPECT_EQ(results[0].value()[1].score, 11);
  EXPECT_EQ(results[1].value()[0].score, 10);
  EXPECT_EQ(results[2].value()[0].score, 110);
  EXPECT_EQ(code->asked, 1);
}

TEST_F(CombinedVerifierTest, ATaskThatNobodyScoresIsSaidClearly) {
  Add("math", 1, {"math/*"});
  Add("gate", 1, {"*"}, VerifierRole::kGate);
  ASSERT_TRUE(Make().ok());
  const auto results = verifier_->VerifyAll({RequestOf(1, "poem"), RequestOf(1, "math/a")});
  EXPECT_THAT(results[0], HoldsStatus(absl::StatusCode::kNotFound, "'poem'"));
  EXPECT_THAT(results[0], HoldsStatus(absl::StatusCode::kNotFound, "math/*"));
  EXPECT_TRUE(results[1].ok());
}

TEST_F(CombinedVerifierTest, AGroupThatOneRefusesIsRefusedByName) {
  Add("math", 1, {"*"});
  Add("picky", 1, {"*"})->status = absl::InvalidArgumentError("prompt: no reference");
  ASSERT_TRUE(Make().ok());
  EXPECT_THAT(verifier_->Verify(RequestOf(1)),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "verifier picky: prompt"));
}

TEST_F(CombinedVerifierTest, SomethingHasToScore) {
  Add("gate", 1, {"*"}, VerifierRole::kGate);
  EXPECT_THAT(Make(), IsStatus(absl::StatusCode::kInvalidArgument, "none scores"));
}

TEST_F(CombinedVerifierTest, TokenRewardsComeFromOneVerifierOnly) {
  Add("math", 1, {"math/*"});
  Add("hard", 1, {"math/hard/*"});
  EXPECT_THAT(Make(/*want_token_rewards=*/true),
              IsStatus(absl::StatusCode::kInvalidArgument, "verifiers math and hard"));
  Add("math", 1, {"math/*"});
  Add("poet", 1, {"poem"}, VerifierRole::kScore, /*token_rewards=*/false);
  EXPECT_THAT(Make(/*want_token_rewards=*/true),
              IsStatus(absl::StatusCode::kInvalidArgument, "verifier poet gives no reward"));
  Add("math", 1, {"math/*"});
  Add("code", 1, {"code/*"});
  NumberVerifier* const gate = Add("gate", 1, {"*"}, VerifierRole::kGate, /*token_rewards=*/false);
  ASSERT_TRUE(Make(/*want_token_rewards=*/true).ok());
  VerifyRequest request = RequestOf(1);
  request.want_token_rewards = true;
  EXPECT_TRUE(verifier_->Verify(request).ok());
  EXPECT_EQ(gate->asked, 1);
  EXPECT_FALSE(gate->wanted_token_rewards) << "a gate isn't asked for what it needn't have";
}

TEST_F(CombinedVerifierTest, DescribesWhatItScoresAndClosesAll) {
  NumberVerifier* const math = Add("math", 1, {"math/*"});
  NumberVerifier* const gate = Add("gate", 1, {"*"}, VerifierRole::kGate);
  ASSERT_TRUE(Make().ok());
  EXPECT_THAT(verifier_->Describe()->tasks, ElementsAre("math/*"));
  verifier_->Close();
  EXPECT_TRUE(math->closed);
  EXPECT_TRUE(gate->closed);
}

}  // namespace
}  // namespace tpo
