#include "services/grpc/utf8.h"

#include <algorithm>
#include <cstddef>

#include "core/utf8.h"

namespace tpo {
namespace {

bool IsAscii(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

}  // namespace

std::string ValidUtf8(const std::string& text) {
  if (IsAscii(text)) return text;
  std::string valid;
  valid.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = Utf8SequenceLength(text, i);
    if (length == 0) {
      valid += "\xEF\xBF\xBD";
      ++i;
    } else {
      valid.append(text, i, length);
      i += length;
    }
  }
  return valid;
}

std::string Printable(const std::string& text, size_t max_bytes) {
  std::string printable = text.substr(0, max_bytes);
  for (char& c : printable) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (text.size() > max_bytes) printable += "...";
  return printable;
}

}  // namespace tpo
