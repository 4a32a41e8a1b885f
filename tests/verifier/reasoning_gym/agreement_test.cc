// Scores agree with those of the package reasoning-gym on a thousand instances of each task and
// eight answers to each: make_cases.py, which wrote them, needs the package; this doesn't.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"
#include "verifier/reasoning_gym/graph_coloring.h"
#include "verifier/reasoning_gym/knights_knaves.h"

namespace tpo {
namespace {

using nlohmann::json;
using Judge = std::function<double(const std::string& answer)>;

// How often each score was given.
std::map<double, int> Compare(const std::string& file,
                              const std::function<Judge(const json&)>& read) {
  std::ifstream cases(std::string(std::getenv("TPO_SOURCE_DIR")) +
                      "/tests/verifier/reasoning_gym/" + file);
  std::map<double, int> scores;
  int instances = 0;
  for (std::string line; std::getline(cases, line); ++instances) {
    const json row = json::parse(line);
    const Judge judge = read(row);
    for (const json& pair : row.at("answers")) {
      const double theirs = pair.at(1).get<double>();
      EXPECT_EQ(judge(pair.at(0).get<std::string>()), theirs)
          << file << ":" << instances + 1 << " " << pair.at(0);
      ++scores[theirs];
    }
  }
  EXPECT_GE(instances, 1000);
  return scores;
}

TEST(ReasoningGymAgreementTest, GraphColoring) {
  const auto scores = Compare("graph_coloring_cases.jsonl", [](const json& row) -> Judge {
    return [puzzle = ParseGraphColoringPuzzle(row.at("puzzle").dump()).value()](
               const std::string& answer) { return ScoreGraphColoring(puzzle, answer, 0.01); };
  });
  EXPECT_GE(scores.at(1), 1000);
  EXPECT_GE(scores.at(0.01), 1000);
  EXPECT_GE(scores.at(0), 1000);
}

TEST(ReasoningGymAgreementTest, KnightsAndKnaves) {
  const auto scores = Compare("knights_knaves_cases.jsonl", [](const json& row) -> Judge {
    return [reference = ParseRoleAssignments(row.at("reference").get<std::string>())](
               const std::string& answer) {
      return ScoreRoleAssignments(reference, ParseRoleAssignments(answer), true);
    };
  });
  EXPECT_GE(scores.at(1), 1000);
  EXPECT_GE(scores.at(0), 1000);
  EXPECT_GE(scores.size(), 6U) << "partial scores of several sizes";
}

// FNV-1a of the rows that generated_test.py asks the package about, one line each.
class Fingerprint {
 public:
  void Add(const std::string& line) {
    for (const char c : line + "\n")
      value_ = (value_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

// The package took these rows, by generated_test.py, which is skipped where it isn't installed. Who
// changes a generator runs that test, and writes down the new fingerprint.
TEST(ReasoningGymAgreementTest, GeneratedRowsAreThoseThatThePackageTook) {
  Fingerprint coloring;
  for (const GraphColoringParameters& parameters :
       {GraphColoringParameters{4, 10, 3, 0.1}, GraphColoringParameters{4, 6, 4, 0.5},
        GraphColoringParameters{4, 25, 4, 0.1}}) {
    for (uint64_t row = 0; row < 400; ++row)
      coloring.Add(GenerateGraphColoring(parameters, 7, row)->dump());
  }
  EXPECT_EQ(coloring.value(), 3913074938703155976U);
  Fingerprint knights;
  for (const KnightsKnavesParameters& parameters :
       {KnightsKnavesParameters{2, 2, 2}, KnightsKnavesParameters{3, 2, 3},
        KnightsKnavesParameters{5, 3, 2}}) {
    for (uint64_t row = 0; row < 400; ++row)
      knights.Add(GenerateKnightsKnaves(parameters, 7, row)->dump());
  }
  EXPECT_EQ(knights.value(), 17258754614097525478U);
}

}  // namespace
}  // namespace tpo
