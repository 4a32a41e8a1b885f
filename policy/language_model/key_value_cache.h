// Keys and values of all layers for positions that were forwarded, in pages of 16 positions
// (page_pool.h), in the host's memory, as the kernels of the CPU read them.
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

#include "core/aligned_memory.h"
#include "policy/hugging_face/model_config.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/page_pool.h"

namespace tpo {

class KeyValueCache : public PagePool {
 public:
  // `bfloat16`: the elements' type, the model's. Throws std::bad_alloc.
  KeyValueCache(const LanguageModelConfig& config, bool bfloat16, int pages);

  static size_t PageBytes(const LanguageModelConfig& config, bool bfloat16);
  bool bfloat16() const { return bfloat16_; }

  // Page 0 of a layer and head; pages follow at page_elements(). T: float or uint16_t.
  template <typename T>
  T* Head(int layer, int head) {
    return reinterpret_cast<T*>(memory_.data()) +
           (static_cast<size_t>(layer) * heads_ + head) * pages() * page_elements_;
  }
  int64_t page_elements() const { return page_elements_; }

 private:
  const int heads_;
  const bool bfloat16_;
  const int64_t page_elements_;  // of one layer and head
  AlignedMemory<std::byte> memory_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_KEY_VALUE_CACHE_H_
