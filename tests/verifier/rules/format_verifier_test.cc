#include "verifier/rules/format_verifier.h"

#include "tests/verifier/rules/rules_test_support.h"

namespace tpo {
namespace {

std::unique_ptr<VerifierApi> Make(FormatOptions options) {
  if (options.tags.empty()) options.tags = {"think", "answer"};
  return MakeFormatVerifier(options).value();
}

constexpr char kGood[] = "<think>6 * 7</think>\n<answer>42</answer>\n";

TEST(FormatVerifierTest, TagsStandOneAfterTheOther) {
  const auto verifier = Make({});
  EXPECT_EQ(ScoreOf(verifier.get(), kGood), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "<think></think><answer></answer>"), 1);
  for (const char* text :
       {"", "42", "<answer>42</answer>", "<answer>42</answer><think>6 * 7</think>",
        "<think>6 * 7<answer>42</answer></think>", "<think>6 * 7</think><answer>42",
        "<think>a</think><think>b</think><answer>42</answer>",
        "<think>a</think><answer>42</answer></answer>", "so <think>a</think><answer>42</answer>",
        "<think>a</think> hence <answer>42</answer>", "<think>a</think><answer>42</answer>!",
        "<THINK>a</THINK><answer>42</answer>", "</think><think><answer></answer>"}) {
    EXPECT_EQ(ScoreOf(verifier.get(), text), 0) << text;
  }
}

TEST(FormatVerifierTest, OptionsLoosenAndTighten) {
  const std::string chatty = std::string("So: ") + kGood + "Done.";
  EXPECT_EQ(ScoreOf(Make({.text_outside = true}).get(), chatty), 1);
  EXPECT_EQ(ScoreOf(Make({.text_outside = true}).get(), "<answer></answer><think></think>"), 0);
  EXPECT_EQ(ScoreOf(Make({.opened_by_prompt = true}).get(), "6 * 7</think><answer>42</answer>"), 1);
  EXPECT_EQ(ScoreOf(Make({.opened_by_prompt = true}).get(), kGood), 0) << "opened twice";
  EXPECT_EQ(ScoreOf(Make({.require_content = true}).get(), kGood), 1);
  EXPECT_EQ(ScoreOf(Make({.require_content = true}).get(), "<think> \n</think><answer>4</answer>"),
            0);
}

TEST(FormatVerifierTest, SaysWhichTagsAreThere) {
  const auto verifier = Make({.partial_credit = true});
  const Verdict verdict = VerdictOn(verifier.get(), "", "<answer>42</answer>");
  EXPECT_EQ(verdict.score, 0.25) << "half of one of two";
  EXPECT_EQ(verdict.components.at("think"), 0);
  EXPECT_EQ(verdict.components.at("answer"), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), std::string(kGood) + "!"), 0.5);
  EXPECT_EQ(ScoreOf(verifier.get(), kGood), 1);
  EXPECT_EQ(ScoreOf(verifier.get(), "nothing"), 0);
}

TEST(FormatVerifierTest, HugeTextsAreReadInOneGo) {
  std::string text;
  for (int i = 0; i < 500'000; ++i) text += "<think>";
  EXPECT_EQ(ScoreOf(Make({}).get(), text), 0);
  EXPECT_EQ(ScoreOf(Make({}).get(),
                    "<think>" + std::string(8 << 20, '<') + "</think><answer>\u00e9\xff</answer>"),
            1);
}

TEST(FormatVerifierTest, RefusesWhatIsNoTag) {
  const auto refused = [](const std::vector<std::string>& tags, const char* why) {
    EXPECT_THAT(MakeFormatVerifier({.tags = tags}),
                HoldsStatus(absl::StatusCode::kInvalidArgument, why));
  };
  refused({}, "format.tags");
  refused({"think", "<answer>"}, "format.tags[1]: \"<answer>\"");
  refused({""}, "format.tags[0]");
  refused({"a", "a"}, "format.tags[1]: \"a\" is there twice");
}

}  // namespace
}  // namespace tpo
