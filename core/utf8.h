// Which bytes are valid UTF-8. Thread-safe: a pure function.
#ifndef TPO_CORE_UTF8_H_
#define TPO_CORE_UTF8_H_

#include <cstddef>
#include <string_view>

namespace tpo {

// Length of the valid sequence, one character's, that begins at text[i]; 0 when there is none
// (Unicode 15, table 3-7): overlong forms, surrogates and what the text's end cuts off are none.
// REQUIRES: i < text.size().
size_t Utf8SequenceLength(std::string_view text, size_t i);

}  // namespace tpo

#endif  // TPO_CORE_UTF8_H_
