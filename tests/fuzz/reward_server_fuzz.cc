// The HTTP bridge: answers of reward servers in the three shapes, and metadata that is put into
// requests.
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "services/http_bridge/reward_shape.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tpo;  // NOLINT
  static const auto* const shapes = [] {
    auto* made = new std::vector<std::unique_ptr<RewardShape>>;
    made->push_back(MakeRewardShape(HttpRewardShape::kOpenRlhf, {}).value());
    made->push_back(MakeRewardShape(HttpRewardShape::kSlime, {}).value());
    RewardShapeOptions nemo;
    nemo.json_metadata = {"json"};
    made->push_back(MakeRewardShape(HttpRewardShape::kNemoGym, nemo).value());
    return made;
  }();
  FuzzInput input(data, size);
  const uint8_t kind = input.Byte();
  const RewardShape& shape = *(*shapes)[kind % 3];
  const std::string text(input.Rest());
  if (kind % 6 >= 3) {
    RewardQuestion question;
    question.prompt = text;
    question.label = text;
    question.metadata = {{"json", text}, {text, "value"}};
    question.items.push_back({.query = text, .response = text});
    (void)shape.RequestBody(question);
    return 0;
  }
  for (const size_t count : {size_t{1}, size_t{3}}) {
    const std::vector<Verdict> verdicts = shape.Verdicts(text, count);
    Require(verdicts.size() == count, "a verdict for each completion");
    for (const Verdict& verdict : verdicts)
      Require(verdict.kind != VerdictKind::kScored || std::isfinite(verdict.score),
              "a score is finite");
  }
  return 0;
}
