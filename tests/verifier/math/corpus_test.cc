// Holds us to the recorded agreement with math-verify: bench/math_agreement/compare.py --write.
//
// Each line of corpus.jsonl is a pair with math-verify's verdict; "ours" is there where we are
// known to judge otherwise. Whoever changes a verdict has to record it there, and to see the
// agreement move.
#include <cstdlib>
#include <fstream>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "verifier/math/judge.h"

namespace tpo::math {
namespace {

std::string Name(Judgement judgement) {
  switch (judgement) {
    case Judgement::kEqual:
      return "equal";
    case Judgement::kDifferent:
      return "different";
    case Judgement::kUnreadableReference:
      return "unreadable reference";
    case Judgement::kTooLarge:
      return "too large";
  }
  return "";
}

TEST(CorpusTest, VerdictsAreTheRecordedOnes) {
  const char* const source = std::getenv("TPO_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  std::ifstream file(std::string(source) + "/tests/verifier/math/corpus.jsonl");
  ASSERT_TRUE(file.is_open());
  std::map<std::string, int> pairs;
  int agreeing = 0;
  int total = 0;
  for (std::string line; std::getline(file, line); ++total) {
    const nlohmann::json pair = nlohmann::json::parse(line);
    const std::string reference = pair.at("reference").get<std::string>();
    const std::string completion = pair.at("completion").get<std::string>();
    const bool theirs = pair.at("math_verify").get<bool>();
    const std::string wanted = pair.value("ours", theirs ? "equal" : "different");
    const Ruling ruling = Judge(reference, completion, {});
    EXPECT_EQ(Name(ruling.judgement), wanted) << "line " << total + 1 << ": " << reference << " || "
                                              << completion << ": " << ruling.explanation;
    agreeing += (ruling.judgement == Judgement::kEqual) == theirs ? 1 : 0;
    ++pairs[pair.at("class").get<std::string>()];
  }
  EXPECT_GE(total, 2000);
  EXPECT_GE(pairs.size(), 25u);
  EXPECT_GE(agreeing, total * 93 / 100);
}

}  // namespace
}  // namespace tpo::math
