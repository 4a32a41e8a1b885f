#include "verifier/rules/composite_verifier.h"

#include "tests/verifier/rules/rules_test_support.h"
#include "verifier/exact_match_verifier.h"
#include "verifier/function_verifier.h"
#include "verifier/math/math_verifier.h"
#include "verifier/rules/format_verifier.h"
#include "verifier/rules/length_verifier.h"
#include "verifier/sequence_verifier.h"

namespace tpo {
namespace {

CompositePart Part(const std::string& name, std::unique_ptr<VerifierApi> verifier,
                   double weight = 1, VerifierRole role = VerifierRole::kScore) {
  return {.name = name, .role = role, .weight = weight, .verifier = std::move(verifier)};
}

std::unique_ptr<VerifierApi> Tags() {
  return MakeFormatVerifier({.tags = {"answer"}, .text_outside = true}).value();
}

// Whatever the completion says in its text is its verdict: a number, or "abstain".
std::unique_ptr<VerifierApi> Echo() {
  VerifierDescription description;
  description.verifier = "echo";
  description.token_rewards = true;
  return MakeCompletionVerifier(description,
                                VerdictFunction([](const Prompt&, const Completion& completion) {
                                  if (completion.text == "abstain")
                                    return Verdict::Unscored(VerdictKind::kAbstained, "asked");
                                  Verdict verdict = Verdict::Scored(std::stod(completion.text));
                                  verdict.token_rewards.assign(completion.tokens.size(), 2);
                                  return verdict;
                                }));
}

template <typename... Parts>
std::unique_ptr<VerifierApi> Composite(ScoreCombination combination, Parts... given) {
  std::vector<CompositePart> parts;
  (parts.push_back(std::move(given)), ...);
  return MakeCompositeVerifier(std::move(parts), combination).value();
}

TEST(CompositeVerifierTest, SumsWeightedScoresAndNamesTheParts) {
  const auto verifier =
      Composite(ScoreCombination::kWeightedSum, Part("right", std::make_unique<MathVerifier>(), 1),
                Part("form", Tags(), 0.25),
                Part("short", MakeLengthVerifier({.from = 0, .to = 4}).value(), -0.5));
  const Verdict verdict = VerdictOn(verifier.get(), "\\frac{1}{2}", "<answer>$0.5$</answer>");
  EXPECT_DOUBLE_EQ(verdict.score, 1 + 0.25 - 0.5 * 0.5);
  EXPECT_EQ(verdict.components.at("right"), 1);
  EXPECT_EQ(verdict.components.at("right/answer_found"), 1);
  EXPECT_EQ(verdict.components.at("form"), 1);
  EXPECT_EQ(verdict.components.at("form/answer"), 1);
  EXPECT_EQ(verdict.components.at("short/length"), 2);
  EXPECT_DOUBLE_EQ(ScoreOf(verifier.get(), "\\frac{1}{2}", ""), -0.25);
}

TEST(CompositeVerifierTest, MultipliesAndGates) {
  const auto product =
      Composite(ScoreCombination::kProduct, Part("a", Echo(), 7), Part("b", Echo()));
  EXPECT_DOUBLE_EQ(ScoreOf(product.get(), "0.5"), 0.25);
  const auto gated =
      Composite(ScoreCombination::kWeightedSum, Part("right", std::make_unique<MathVerifier>(), 2),
                Part("form", Tags(), 1, VerifierRole::kGate));
  EXPECT_EQ(ScoreOf(gated.get(), "42", "<answer>$42$</answer>"), 2);
  EXPECT_EQ(ScoreOf(gated.get(), "42", "$42$"), 0);
}

TEST(CompositeVerifierTest, APartWithoutAScoreLeavesNone) {
  const auto verifier =
      Composite(ScoreCombination::kWeightedSum, Part("echo", Echo()), Part("form", Tags()));
  const Verdict verdict = VerdictOn(verifier.get(), "", "abstain");
  EXPECT_EQ(verdict.kind, VerdictKind::kAbstained);
  EXPECT_EQ(verdict.reason, "echo abstained: asked");
  EXPECT_EQ(VerdictOn(verifier.get(), "", "nan").kind, VerdictKind::kFailed);
  EXPECT_EQ(VerdictOn(verifier.get(), "", "inf").kind, VerdictKind::kFailed);
}

TEST(CompositeVerifierTest, AnErrorNamesThePart) {
  const auto verifier = Composite(ScoreCombination::kWeightedSum, Part("form", Tags()),
                                  Part("right", std::make_unique<SequenceVerifier>()));
  EXPECT_THAT(verifier->Verify(TextRequest("", {"42"})),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "right: "))
      << "the request is of no sequence task";
}

TEST(CompositeVerifierTest, TokenRewardsComeFromOnePart) {
  VerifyRequest request = TextRequest("", {"1"});
  request.want_token_rewards = true;
  const auto one = Composite(ScoreCombination::kWeightedSum, Part("echo", Echo(), 3),
                             Part("gate", Echo(), 1, VerifierRole::kGate));
  EXPECT_TRUE(one->Describe()->token_rewards);
  EXPECT_THAT(one->Verify(request).value()[0].token_rewards, testing::ElementsAre(6, 6));
  const auto two = Composite(ScoreCombination::kWeightedSum, Part("a", Echo()), Part("b", Echo()));
  EXPECT_FALSE(two->Describe()->token_rewards);
  EXPECT_EQ(two->Verify(request).value()[0].kind, VerdictKind::kFailed);
}

TEST(CompositeVerifierTest, RefusesPartsThatCannotBe) {
  const auto refusal = [](std::vector<CompositePart> parts) {
    return MakeCompositeVerifier(std::move(parts), ScoreCombination::kWeightedSum).status();
  };
  std::vector<CompositePart> parts;
  EXPECT_THAT(refusal(std::move(parts)),
              IsStatus(absl::StatusCode::kInvalidArgument, "composite.parts"));
  parts.clear();
  parts.push_back(Part("gate", Echo(), 1, VerifierRole::kGate));
  EXPECT_THAT(refusal(std::move(parts)),
              IsStatus(absl::StatusCode::kInvalidArgument, "all are gates"));
  parts.clear();
  parts.push_back(Part("a", Echo()));
  parts.push_back(Part("a", Echo()));
  EXPECT_THAT(refusal(std::move(parts)),
              IsStatus(absl::StatusCode::kInvalidArgument, "composite.parts[1].name: \"a\""));
}

}  // namespace
}  // namespace tpo
