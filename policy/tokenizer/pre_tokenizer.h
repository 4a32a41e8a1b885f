// Cuts text into the words that byte-pair merges never cross: the pre_tokenizer of tokenizer.json.
//
// The regular expressions of the known model families are scanned by hand-written code, which is
// several times faster than an engine; other expressions are refused when the file is read. Pure
// and thread-safe.
#ifndef TPO_POLICY_TOKENIZER_PRE_TOKENIZER_H_
#define TPO_POLICY_TOKENIZER_PRE_TOKENIZER_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "policy/tokenizer/unicode.h"

namespace tpo {

// One step: each piece of the step before is cut further.
enum class PreTokenizerStep {
  // Each numeric character by itself: Digits with individual_digits (SmolLM2).
  kEachDigit,
  // Stretches of numeric characters: Digits without.
  kDigitRuns,
  // The expression of GPT-2, which ByteLevel has built in (SmolLM2).
  kGpt2,
  // Llama-3's: cl100k with up to three digits a word.
  kThreeDigits,
  // Qwen2's and Qwen3's: the same with one digit a word.
  kOneDigit,
};

// The step of a Split pattern, if it is one of the known ones.
std::optional<PreTokenizerStep> StepOfPattern(std::string_view regular_expression);

// The known patterns, for messages and tests.
std::string_view PatternOfStep(PreTokenizerStep step);

// End of the piece that begins at `begin`. REQUIRES: `text` is valid UTF-8, begin < text.size() is
// the end of another piece or 0.
size_t EndOfPiece(PreTokenizerStep step, const unicode::PropertyTable& properties,
                  std::string_view text, size_t begin);

// Calls visit(word) for each word of `text`, in order. REQUIRES: `text` is valid UTF-8.
template <typename Visitor>
void ForEachWord(const std::vector<PreTokenizerStep>& steps, std::string_view text,
                 const Visitor& visit, size_t step = 0) {
  if (step == steps.size()) {
    if (!text.empty()) visit(text);
    return;
  }
  const unicode::PropertyTable& properties = unicode::PropertyTable::Get();
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = EndOfPiece(steps[step], properties, text, begin);
    ForEachWord(steps, text.substr(begin, end - begin), visit, step + 1);
    begin = end;
  }
}

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_PRE_TOKENIZER_H_
