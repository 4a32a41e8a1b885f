#include "verifier/rules/gsm8k_verifier.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/verifier/rules/rules_test_support.h"

namespace tpo {
namespace {

constexpr char kSolution[] = "He had 50 - 8 = <<50-8=42>>42 left.\n#### 42";

TEST(Gsm8kVerifierTest, TheStrictFormIsTheAnswer) {
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kStrict);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "50 - 8 is\n#### 42"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "#### 42."), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "#### 1,234", "#### 1234"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "#### 41\n#### 42"), 0) << "the first one counts";
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "####42"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "42"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "#### 42.0"), 0) << "texts are compared";
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, ""), 0);
}

TEST(Gsm8kVerifierTest, TheFlexibleFormIsTheLastNumber) {
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kFlexible);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "50 minus 8 makes $42."), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "42 of 50"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "7", "x = 7"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), kSolution, "none"), 0);
}

TEST(Gsm8kVerifierTest, BothFormsAreComponents) {
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kStrict);
  const Verdict verdict = VerdictOn(verifier.get(), kSolution, "it's 42");
  EXPECT_EQ(verdict.score, 0);
  EXPECT_EQ(verdict.components.at("strict"), 0);
  EXPECT_EQ(verdict.components.at("flexible"), 1);
}

TEST(Gsm8kVerifierTest, WithoutAReadableReferenceNobodyKnows) {
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kFlexible);
  EXPECT_EQ(VerdictOn(verifier.get(), "", "42").kind, VerdictKind::kAbstained);
  for (const char* reference : {"#### ", "forty-two", "#### x", " \n"})
    EXPECT_EQ(VerdictOn(verifier.get(), reference, "42").kind, VerdictKind::kFailed) << reference;
}

TEST(Gsm8kVerifierTest, HugeCompletionsAreReadInOneGo) {
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kFlexible);
  std::string marks;
  for (int i = 0; i < 1'000'000; ++i) marks += "#### ";
  EXPECT_EQ(ScoreOf(verifier.get(), "42", marks), 0);
  std::string points;
  for (int i = 0; i < 1'000'000; ++i) points += ". , $ ";
  EXPECT_EQ(ScoreOf(verifier.get(), "42", "42" + points), 1) << "single marks are no number";
}

// tests/verifier/rules/make_gsm8k_cases.py
TEST(Gsm8kVerifierTest, ScoresAreThoseOfTheHarness) {
  std::ifstream file(std::string(std::getenv("TPO_SOURCE_DIR")) +
                     "/tests/verifier/rules/gsm8k_cases.jsonl");
  const auto verifier = MakeGsm8kVerifier(Gsm8kAnswer::kStrict);
  int cases = 0;
  int right = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    const auto row = nlohmann::json::parse(line);
    const Verdict verdict = VerdictOn(verifier.get(), row.at("reference"), row.at("text"));
    EXPECT_EQ(verdict.components.at("strict"), row.at("strict").get<int>()) << line;
    EXPECT_EQ(verdict.components.at("flexible"), row.at("flexible").get<int>()) << line;
    right += row.at("strict").get<int>() + row.at("flexible").get<int>();
  }
  EXPECT_GE(cases, 1000);
  EXPECT_GE(right, 300);
}

}  // namespace
}  // namespace tpo
