// The byte-level alphabet: tokenizer.json writes each byte of a token as a printable character.
// Pure and thread-safe.
#ifndef TPO_POLICY_TOKENIZER_BYTE_LEVEL_H_
#define TPO_POLICY_TOKENIZER_BYTE_LEVEL_H_

#include <optional>
#include <string>
#include <string_view>

namespace tpo {

// The bytes that `written` stands for; nothing if one of its characters isn't in the alphabet.
// REQUIRES: valid UTF-8.
std::optional<std::string> FromByteLevel(std::string_view written);

std::string ToByteLevel(std::string_view bytes);

}  // namespace tpo

#endif  // TPO_POLICY_TOKENIZER_BYTE_LEVEL_H_
