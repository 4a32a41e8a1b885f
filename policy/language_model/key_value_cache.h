// Keys and values of all layers for positions that were forwarded, in pages of 16 positions.
//
// A page is a piece of one sequence; who holds its number decides what it means, so that the
// completions of a prompt can share the prompt's pages. All memory is allocated at once, and taking
// a page never fails as long as one is free: whoever admits work counts pages first.
//
// Layout: [layer][key-value head][page], and in a page first keys [head_dim][16], then values
// [16][head_dim to a multiple of 16], float or bfloat16: both products of attention run over
// vectors of 16.
//
// Not thread-safe; during a forward pass threads write different positions and nobody takes or
// gives back pages.
#ifndef TPO_POLICY_LANGUAGE_MODEL_KEY_VALUE_CACHE_H_
#define TPO_POLICY_LANGUAGE_MODEL_KEY_VALUE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "policy/hugging_face/model_config.h"
#include "policy/language_model/aligned_memory.h"
#include "policy/language_model/language_loops.h"

namespace tpo {

class KeyValueCache {
 public:
  // `bfloat16`: the elements' type, the model's. Throws std::bad_alloc.
  KeyValueCache(const LanguageModelConfig& config, bool bfloat16, int pages);

  static size_t PageBytes(const LanguageModelConfig& config, bool bfloat16);
  static int PagesFor(int positions) { return (positions + kPagePositions - 1) / kPagePositions; }

  int pages() const { return pages_; }
  int free_pages() const { return static_cast<int>(free_.size()); }
  bool bfloat16() const { return bfloat16_; }

  // A page of undefined content. REQUIRES: free_pages() > 0.
  int32_t Take();
  // REQUIRES: the page was taken.
  void GiveBack(int32_t page);

  // Page 0 of a layer and head; pages follow at page_elements(). T: float or uint16_t.
  template <typename T>
  T* Head(int layer, int head) {
    return reinterpret_cast<T*>(memory_.data()) +
           (static_cast<size_t>(layer) * heads_ + head) * pages_ * page_elements_;
  }
  int64_t page_elements() const { return page_elements_; }

 private:
  const int heads_;
  const int pages_;
  const bool bfloat16_;
  const int64_t page_elements_;  // of one layer and head
  AlignedMemory<std::byte> memory_;
  std::vector<int32_t> free_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_KEY_VALUE_CACHE_H_
