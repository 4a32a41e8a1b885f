// Sizes and names that the loops, packed matrices and caches of language models share. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LAYOUT_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LAYOUT_H_

#include <cstdint>

namespace tpo {

// Columns of a packed matrix that lie side by side (packed_matrix.h).
inline constexpr int kPanelColumns = 32;
// Positions in a page of the key-value cache (key_value_cache.h).
inline constexpr int kPagePositions = 16;

// A run of cached positions: the first `length` of its pages.
struct VisiblePages {
  const int32_t* pages = nullptr;
  int length = 0;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_LAYOUT_H_
