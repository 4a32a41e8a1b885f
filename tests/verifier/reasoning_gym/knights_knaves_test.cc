#include "verifier/reasoning_gym/knights_knaves.h"

#include "tests/verifier/rules/rules_test_support.h"
#include "verifier/reasoning_gym/knights_knaves_verifier.h"

namespace tpo {
namespace {

constexpr char kReference[] = "Ann is a knight, Bob is a knave, and Cid is a knave.";

TEST(KnightsKnavesTest, ScoresWhatThePackageScores) {
  const auto verifier = MakeKnightsKnavesVerifier({});
  EXPECT_EQ(
      ScoreOf(verifier.get(), kReference, "cid is a knave and Bob is a knave.\nANN is a knight"),
      1);
  EXPECT_DOUBLE_EQ(
      ScoreOf(verifier.get(), kReference, "Ann is a knight, Bob is a knight, Cid is a knave"),
      0.3 + 0.7 * 2 / 3);
  EXPECT_EQ(ScoreOf(verifier.get(), kReference, "Ann is a knight, Bob is a knave"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), kReference, ""), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), kReference, "\xff\xfe"), 0);
  const auto strict = MakeKnightsKnavesVerifier({.partial_credit = false});
  EXPECT_EQ(ScoreOf(strict.get(), kReference, kReference), 1);
  EXPECT_EQ(ScoreOf(strict.get(), kReference, "Ann is a knight, Bob is a knight, Cid is a knave"),
            0);
  EXPECT_DOUBLE_EQ(
      VerdictOn(verifier.get(), kReference, "Bob is a knave").components.at("right_share"),
      1.0 / 3);
}

TEST(KnightsKnavesTest, WithoutAReadableReferenceNobodyKnows) {
  const auto verifier = MakeKnightsKnavesVerifier({});
  EXPECT_EQ(VerdictOn(verifier.get(), "", kReference).kind, VerdictKind::kAbstained);
  EXPECT_EQ(VerdictOn(verifier.get(), "No valid solution exists.", kReference).kind,
            VerdictKind::kFailed);
}

TEST(KnightsKnavesTest, HugeAnswersEnd) {
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "Ann is a knight and ";
  EXPECT_EQ(ScoreOf(MakeKnightsKnavesVerifier({}).get(), kReference, text), 0);
}

TEST(KnightsKnavesTest, GeneratesTheSameRowsAgain) {
  for (uint64_t row = 0; row < 200; ++row) {
    const KnightsKnavesParameters parameters{.people = 2 + static_cast<int>(row % 4),
                                             .depth = 2 + static_cast<int>(row % 2),
                                             .width = 3};
    const auto generated = GenerateKnightsKnaves(parameters, 1, row).value();
    EXPECT_EQ(generated, GenerateKnightsKnaves(parameters, 1, row).value());
    EXPECT_NE(generated, GenerateKnightsKnaves(parameters, 2, row).value());
    const RoleAssignments answer = ParseRoleAssignments(generated.at("answer").get<std::string>());
    EXPECT_EQ(answer.size(), static_cast<size_t>(parameters.people));
    EXPECT_EQ(generated.at("statements").size(), static_cast<size_t>(parameters.people));
    EXPECT_EQ(generated.at("solution").size(), static_cast<size_t>(parameters.people));
    EXPECT_THAT(generated.at("prompt").get<std::string>(),
                testing::Not(testing::HasSubstr(generated.at("answer").get<std::string>())));
  }
}

TEST(KnightsKnavesTest, RefusesWhatItCannotGenerate) {
  EXPECT_THAT(GenerateKnightsKnaves({.people = 0}, 0, 0),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "people"));
  EXPECT_THAT(GenerateKnightsKnaves({.people = 13}, 0, 0),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "people"));
  EXPECT_THAT(GenerateKnightsKnaves({.depth = 0}, 0, 0),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "depth"));
  EXPECT_THAT(GenerateKnightsKnaves({.width = 1}, 0, 0),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "width"));
}

}  // namespace
}  // namespace tpo
