// Any two texts as reference and completion of the math verifier. Beyond crashes and hangs it looks
// for steps past the budget, and for explanations that aren't printable.
#include <string_view>

#include "tests/fuzz/fuzz.h"
#include "verifier/math/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t middle = text.find('\n');
  const std::string_view reference = text.substr(0, middle);
  const std::string_view completion =
      middle == std::string_view::npos ? reference : text.substr(middle + 1);
  const tpo::math::Limits limits = {.max_steps = 200'000};
  const tpo::math::Ruling ruling = tpo::math::Judge(reference, completion, limits);
  tpo::Require(ruling.steps <= 2 * limits.max_steps + 500'000, "the budget bounds the steps");
  for (const char c : ruling.explanation)
    tpo::Require(c >= 0x20 && c <= 0x7e, "an explanation is printable");
  return 0;
}
