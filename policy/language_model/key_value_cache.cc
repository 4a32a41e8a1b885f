#include "policy/language_model/key_value_cache.h"

namespace tpo {
namespace {

int64_t PageElements(const LanguageModelConfig& config) {
  const int width = (config.head_dim + 15) / 16 * 16;
  return int64_t{kPagePositions} * (config.head_dim + width);
}

}  // namespace

size_t KeyValueCache::PageBytes(const LanguageModelConfig& config, bool bfloat16) {
  return static_cast<size_t>(PageElements(config)) * config.layers * config.key_value_heads *
         (bfloat16 ? sizeof(uint16_t) : sizeof(float));
}

KeyValueCache::KeyValueCache(const LanguageModelConfig& config, bool bfloat16, int pages)
    : PagePool(pages),
      heads_(config.key_value_heads),
      bfloat16_(bfloat16),
      page_elements_(PageElements(config)),
      memory_(PageBytes(config, bfloat16) * pages) {}

}  // namespace tpo
