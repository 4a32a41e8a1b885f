#include "policy/tokenizer/byte_level.h"

#include <array>
#include <cstdint>

#include "policy/tokenizer/unicode.h"

namespace tpo {
namespace {

// Printable Latin-1 characters stand for themselves, the other bytes, ascending, for what comes
// after Latin-1.
constexpr bool StandsForItself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

constexpr std::array<uint16_t, 256> kCharacters = [] {
  std::array<uint16_t, 256> characters{};
  uint16_t next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    characters[byte] = StandsForItself(byte) ? static_cast<uint16_t>(byte) : next++;
  }
  return characters;
}();

constexpr size_t kEnd = 256 + 68;

constexpr std::array<int16_t, kEnd> kBytes = [] {
  std::array<int16_t, kEnd> bytes{};
  bytes.fill(-1);
  for (int byte = 0; byte < 256; ++byte) bytes[kCharacters[byte]] = static_cast<int16_t>(byte);
  return bytes;
}();

}  // namespace

std::optional<std::string> FromByteLevel(std::string_view written) {
  std::string bytes;
  bytes.reserve(written.size());
  for (size_t position = 0; position < written.size();) {
    const uint32_t character = unicode::NextCodePoint(written, &position);
    if (character >= kEnd || kBytes[character] < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(kBytes[character]));
  }
  return bytes;
}

std::string ToByteLevel(std::string_view bytes) {
  std::string written;
  for (const char c : bytes)
    unicode::AppendUtf8(kCharacters[static_cast<unsigned char>(c)], &written);
  return written;
}

}  // namespace tpo
