// Generated data, for unicode.cc alone: see generate_unicode_tables.py.
#ifndef TPO_POLICY_TOKENIZER_UNICODE_TABLES_H_
#define TPO_POLICY_TOKENIZER_UNICODE_TABLES_H_

#include <cstddef>
#include <cstdint>

namespace tpo::unicode {

// All code points from `first` to `last` have `value`; those in no run have 0.
struct Run {
  uint32_t first = 0;
  uint32_t last = 0;
  uint8_t value = 0;
};

struct Decomposition {
  uint32_t code_point = 0;
  uint32_t first = 0;
  uint32_t second = 0;  // 0: there is none
  bool composed = false;
};

extern const Run kPropertyRuns[];
extern const size_t kPropertyRunCount;
extern const Run kCombiningClassRuns[];
extern const size_t kCombiningClassRunCount;
extern const Decomposition kDecompositions[];  // ascending by code point
extern const size_t kDecompositionCount;

}  // namespace tpo::unicode

#endif  // TPO_POLICY_TOKENIZER_UNICODE_TABLES_H_
