#include "verifier/rules/length_verifier.h"

#include <limits>

#include "tests/verifier/rules/rules_test_support.h"

namespace tpo {
namespace {

double ScoreOfTokens(VerifierApi* verifier, size_t tokens) {
  VerifyRequest request;
  request.completions = {MakeCompletion(std::vector<TokenId>(tokens, 1), 0)};
  return verifier->Verify(request).value().front().score;
}

TEST(LengthVerifierTest, FallsAlongALine) {
  const auto verifier = MakeLengthVerifier({.from = 10, .to = 20}).value();
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 0), 1);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 10), 1);
  EXPECT_DOUBLE_EQ(ScoreOfTokens(verifier.get(), 13), 0.7);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 20), 0);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 2000), 0);
}

TEST(LengthVerifierTest, RisesWhereTheScoresSaySo) {
  const auto verifier =
      MakeLengthVerifier({.from = 0, .to = 4, .from_score = -1, .to_score = 3}).value();
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 0), -1);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 1), 0);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 9), 3);
}

// Equation 13 of arXiv 2503.14476, with L_max 16384 and L_cache 4096 as there.
TEST(LengthVerifierTest, SoftOverlongPunishmentIsDaposFormula) {
  const auto verifier = MakeLengthVerifier(SoftOverlong(LengthUnit::kTokens, 16384, 4096)).value();
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 12288), 0);
  EXPECT_DOUBLE_EQ(ScoreOfTokens(verifier.get(), 12289), (12288.0 - 12289) / 4096);
  EXPECT_DOUBLE_EQ(ScoreOfTokens(verifier.get(), 14336), -0.5);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 16384), -1);
  EXPECT_EQ(ScoreOfTokens(verifier.get(), 16385), -1);
}

TEST(LengthVerifierTest, CountsCharactersOfAnyAlphabet) {
  const auto verifier =
      MakeLengthVerifier({.unit = LengthUnit::kCharacters, .from = 0, .to = 4}).value();
  EXPECT_EQ(ScoreOf(verifier.get(), ""), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "ab"), 0.5);
  EXPECT_EQ(ScoreOf(verifier.get(), "\u00e9\U0001F600"), 0.5);
  EXPECT_EQ(VerdictOn(verifier.get(), "", "\u7b54\u6848").components.at("length"), 2);
  EXPECT_EQ(CountCharacters("\xff\xfe"), 2);
}

TEST(LengthVerifierTest, AbstainsWhereTokensAreNotGiven) {
  const auto verifier = MakeLengthVerifier({.from = 10, .to = 20}).value();
  VerifyRequest request = TextRequest("", {"some text", ""});
  for (Completion& completion : request.completions) completion.tokens.clear();
  const auto verdicts = verifier->Verify(request).value();
  EXPECT_EQ(verdicts[0].kind, VerdictKind::kAbstained);
  EXPECT_EQ(verdicts[1].kind, VerdictKind::kScored) << "an empty completion has none";
}

TEST(LengthVerifierTest, RefusesLinesThatAreNone) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const LengthOptions& options :
       {LengthOptions{.from = 5, .to = 5}, LengthOptions{.from = -1, .to = 5},
        LengthOptions{.from = 0, .to = 5, .to_score = -infinity}}) {
    EXPECT_THAT(MakeLengthVerifier(options),
                HoldsStatus(absl::StatusCode::kInvalidArgument, "length: "));
  }
}

}  // namespace
}  // namespace tpo
