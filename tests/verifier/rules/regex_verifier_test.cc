#include "verifier/rules/regex_verifier.h"

#include "tests/verifier/rules/rules_test_support.h"

namespace tpo {
namespace {

std::unique_ptr<VerifierApi> Make(const RegexOptions& options) {
  return MakeRegexVerifier(options).value();
}

TEST(RegexVerifierTest, AMatchAnywhereIsEnough) {
  const auto verifier = Make({.pattern = "colou?r"});
  EXPECT_EQ(ScoreOf(verifier.get(), "My color is red"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "My Color"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), ""), 0);
  EXPECT_EQ(ScoreOf(Make({.pattern = "colou?r", .ignore_case = true}).get(), "My COLOR"), 1);
  EXPECT_EQ(ScoreOf(Make({.pattern = ""}).get(), ""), 1);
}

TEST(RegexVerifierTest, TheWholeTextHasToMatchWhereThatIsWanted) {
  const auto verifier = Make({.pattern = "(yes|no)", .full_match = true});
  EXPECT_EQ(ScoreOf(verifier.get(), " yes\n"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "yes, I think"), 0);
  const auto tags =
      Make({.pattern = "(?s)<think>.*</think>\\s*<answer>.*</answer>", .full_match = true});
  EXPECT_EQ(ScoreOf(tags.get(), "<think>a\nb</think>\n<answer>c</answer>"), 1);
  EXPECT_EQ(ScoreOf(tags.get(), "<answer>c</answer>"), 0);
}

TEST(RegexVerifierTest, AGroupIsComparedWithTheReference) {
  RegexOptions options{.pattern = "answer: *(\\S+)", .compare_group = 1};
  const auto last = Make(options);
  EXPECT_EQ(ScoreOf(last.get(), "Bern", "answer: Rome. answer: Bern"), 1);
  EXPECT_EQ(ScoreOf(last.get(), "Bern\n", "answer: bern"), 0);
  EXPECT_EQ(ScoreOf(last.get(), "Bern", "Bern"), 0);
  options.match = MatchChoice::kFirst;
  EXPECT_EQ(ScoreOf(Make(options).get(), "Bern", "answer: Rome answer: Bern"), 0);
  options.ignore_case = true;
  EXPECT_EQ(ScoreOf(Make(options).get(), "Bern", "ANSWER: BERN"), 1);
  EXPECT_EQ(ScoreOf(Make({.pattern = "[0-9]+", .compare_group = 0}).get(), "12", "3 and 12"), 1);
  EXPECT_EQ(ScoreOf(Make({.pattern = "x*", .compare_group = 0}).get(), "xx", "a xx"), 0)
      << "the last match is the empty one at the end";
  EXPECT_EQ(ScoreOf(Make({.pattern = "(a)|b", .compare_group = 1}).get(), "a", "b"), 0)
      << "a group without a part in the match is empty";
}

TEST(RegexVerifierTest, UnicodeIsReadByCharacter) {
  const auto verifier = Make({.pattern = "^.$", .full_match = true});
  EXPECT_EQ(ScoreOf(verifier.get(), "\U0001F600"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "ab"), 0);
  EXPECT_EQ(ScoreOf(verifier.get(), "\xff\xff"), 0) << "broken UTF-8";
  EXPECT_EQ(ScoreOf(Make({.pattern = "z\u00fcrich", .ignore_case = true}).get(), "Z\u00dcRICH"), 1);
}

TEST(RegexVerifierTest, InvertedItForbids) {
  const auto verifier = Make({.pattern = "(?i)as an ai", .invert = true});
  EXPECT_EQ(ScoreOf(verifier.get(), "Red."), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "As an AI I have no colour."), 0);
}

TEST(RegexVerifierTest, AbstainsWhereThereIsNothingToCompareWith) {
  const auto compares = Make({.pattern = "(.*)", .compare_group = 1});
  EXPECT_EQ(VerdictOn(compares.get(), "", "x").kind, VerdictKind::kAbstained);
}

TEST(RegexVerifierTest, RefusesWhatItCannotDo) {
  const auto refused = [](const RegexOptions& options, const char* why) {
    EXPECT_THAT(MakeRegexVerifier(options), HoldsStatus(absl::StatusCode::kInvalidArgument, why));
  };
  refused({.pattern = "(a"}, "regex.pattern: missing )");
  refused({.pattern = "(?=a)b"}, "regex.pattern: ");
  refused({.pattern = "(a)\\1"}, "regex.pattern: ");
  refused({.pattern = "((a{1000}){1000}){1000}"}, "regex.pattern: ");
  refused({.pattern = "(\xff)"}, "regex.pattern: ");
  refused({.pattern = "(a)", .compare_group = 2}, "regex.compare_group: the pattern has no group");
  refused({.pattern = "(a)", .compare_group = 1, .invert = true}, "regex.invert");
}

// Patterns and texts that take a backtracking matcher for ever. A hang is a failure by timeout.
TEST(RegexVerifierTest, HostilePatternsAndTextsEnd) {
  const std::string a(1 << 20, 'a');
  EXPECT_EQ(ScoreOf(Make({.pattern = "(a+)+$"}).get(), a + "b"), 0);
  EXPECT_EQ(ScoreOf(Make({.pattern = "(a|aa)+$", .full_match = true}).get(), a + "b"), 0);
  EXPECT_EQ(ScoreOf(Make({.pattern = "(.*)(.*)(.*)(.*)x", .full_match = true}).get(), a), 0);
  // A million matches, for each of which the rest of the text has to be read.
  const auto quadratic = Make({.pattern = "a.*x|a", .compare_group = 0});
  EXPECT_EQ(ScoreOf(quadratic.get(), "a", a), 0) << "too many matches to find the last";
  EXPECT_EQ(ScoreOf(quadratic.get(), "a", "aaa"), 1);
}

}  // namespace
}  // namespace tpo
