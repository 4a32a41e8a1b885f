// libFuzzer target: any two texts as reference and completion. Not part of the test suite; needs
// Clang:
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -I. tests/fuzz/math_fuzz.cc
//     verifier/math/{answer_candidates,answer_extraction,equality,exact_form,exact_roots,expression,integer_functions,judge,lexer}.cc
//     verifier/math/{numeric,parser,parser_functions,parser_operands,real_set,simplify,spellings}.cc
//     -lgmpxx -lgmp -labsl_strings -labsl_status -labsl_statusor … -o math_fuzz
//   ./math_fuzz -max_len=600 -timeout=10
//
// Beyond crashes and hangs it looks for steps past the budget, and for explanations that aren't
// printable.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "verifier/math/judge.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t middle = text.find('\n');
  const std::string_view reference = text.substr(0, middle);
  const std::string_view completion =
      middle == std::string_view::npos ? reference : text.substr(middle + 1);
  const tpo::math::Limits limits = {.max_steps = 200'000};
  const tpo::math::Ruling ruling = tpo::math::Judge(reference, completion, limits);
  if (ruling.steps > 2 * limits.max_steps + 500'000) std::abort();
  for (const char c : ruling.explanation) {
    if (c < 0x20 || c > 0x7e) std::abort();
  }
  return 0;
}
