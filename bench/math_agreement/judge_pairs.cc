// Reads pairs of a reference and a completion, one JSON object a line on stdin:
//   {"reference": "\\frac12", "completion": "The answer is 0.5."}
// and writes for each {"judgement": "equal", "explanation": "…"} to stdout.
#include <iostream>
#include <string>

#include <nlohmann/json.hpp>

#include "verifier/math/judge.h"

namespace {

const char* Name(tpo::math::Judgement judgement) {
  switch (judgement) {
    case tpo::math::Judgement::kEqual:
      return "equal";
    case tpo::math::Judgement::kDifferent:
      return "different";
    case tpo::math::Judgement::kUnreadableReference:
      return "unreadable reference";
    case tpo::math::Judgement::kTooLarge:
      return "too large";
  }
  return "";
}

}  // namespace

int main() {
  std::string line;
  for (int number = 1; std::getline(std::cin, line); ++number) {
    const nlohmann::json pair = nlohmann::json::parse(line, nullptr, false);
    if (!pair.is_object() || !pair.contains("reference") || !pair.contains("completion")) {
      std::cerr << "line " << number << ": not an object with reference and completion\n";
      return 2;
    }
    const tpo::math::Ruling ruling = tpo::math::Judge(pair["reference"].get<std::string>(),
                                                      pair["completion"].get<std::string>(), {});
    const nlohmann::json answer = {{"judgement", Name(ruling.judgement)},
                                   {"explanation", ruling.explanation},
                                   {"steps", ruling.steps}};
    std::cout << answer.dump() << "\n";
  }
  return 0;
}
