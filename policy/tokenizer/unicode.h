// Properties of code points, normalisation form C and UTF-8, exactly as the PyPI package
// `tokenizers` has them (it mixes several Unicode versions; generate_unicode_tables.py).
// Pure and thread-safe.
#ifndef TPO_POLICY_TOKENIZER_UNICODE_H_
#define TPO_POLICY_TOKENIZER_UNICODE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tpo::unicode {

enum Property : uint8_t {
  kLetter = 1,             // \p{L}
  kNumber = 2,             // \p{N}
  kSpace = 4,              // \s
  kNumeric = 8,            // what the pre-tokenizer Digits splits off
  kWord = 16,              // \w
  kNonstarter = 32,        // its canonical combining class isn't 0
  kMayBeUnnormalized = 64  // not allowed, or not everywhere, in normalisation form C
};

// Properties of all code points. Get it once for a loop.
class PropertyTable {
 public:
  static const PropertyTable& Get();

  // A set of Property. REQUIRES: code_point < 0x110000.
  uint8_t operator[](uint32_t code_point) const {
    return blocks_[static_cast<size_t>(block_of_[code_point >> 8]) << 8 | (code_point & 0xFF)];
  }

 private:
  PropertyTable();

  std::vector<uint16_t> block_of_;  // [0x1100]
  std::vector<uint8_t> blocks_;     // [distinct blocks, 256]
};

// The code point at text[*position], which is moved behind it. REQUIRES: valid UTF-8, and
// *position at the start of a code point.
inline uint32_t NextCodePoint(std::string_view text, size_t* position) {
  const auto byte = [&](size_t offset) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[*position + offset]));
  };
  const uint32_t lead = byte(0);
  uint32_t code_point = lead;
  size_t length = 1;
  if (lead >= 0xF0) {
    code_point =
        (lead & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    length = 4;
  } else if (lead >= 0xE0) {
    code_point = (lead & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    length = 3;
  } else if (lead >= 0x80) {
    code_point = (lead & 0x1F) << 6 | (byte(1) & 0x3F);
    length = 2;
  }
  *position += length;
  return code_point;
}

void AppendUtf8(uint32_t code_point, std::string* out);

// Length of the longest prefix of `text` that is valid UTF-8.
size_t ValidPrefix(std::string_view text);

// Length of the malformed stretch at the start of `text` that one U+FFFD stands for: the longest
// beginning of a valid sequence, or one byte. `*truncated` says that more bytes could have made it
// valid. REQUIRES: text isn't empty and doesn't start with a valid sequence.
size_t MalformedPrefix(std::string_view text, bool* truncated);

// `text` with U+FFFD in the place of each malformed stretch: Python's errors="replace".
std::string ReplaceMalformed(std::string_view text);

// Is `text` certainly in normalisation form C? Quick, may deny it wrongly. REQUIRES: valid UTF-8.
bool IsSurelyNfc(std::string_view text);

// `text` in normalisation form C. REQUIRES: valid UTF-8.
std::string ToNfc(std::string_view text);

}  // namespace tpo::unicode

#endif  // TPO_POLICY_TOKENIZER_UNICODE_H_
