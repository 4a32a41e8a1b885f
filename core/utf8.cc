#include "core/utf8.h"

#include <cstdint>

namespace tpo {

size_t Utf8SequenceLength(std::string_view text, size_t i) {
  const auto byte = [&](size_t at) -> uint32_t {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
  };
  const auto continues = [&](size_t at, uint32_t low = 0x80, uint32_t high = 0xBF) {
    return byte(at) >= low && byte(at) <= high;
  };
  const uint32_t lead = byte(i);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return continues(i + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    // Neither overlong forms nor surrogates.
    const uint32_t low = lead == 0xE0 ? 0xA0 : 0x80;
    const uint32_t high = lead == 0xED ? 0x9F : 0xBF;
    return continues(i + 1, low, high) && continues(i + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const uint32_t low = lead == 0xF0 ? 0x90 : 0x80;
    const uint32_t high = lead == 0xF4 ? 0x8F : 0xBF;
    return continues(i + 1, low, high) && continues(i + 2) && continues(i + 3) ? 4 : 0;
  }
  return 0;
}

}  // namespace tpo
