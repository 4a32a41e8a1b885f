// Text for protobuf, whose string fields must be valid UTF-8: a message with any other byte is
// refused whole by its receiver. Completions can have such bytes: the token limit may cut a
// character in two.
#ifndef TPO_SERVICES_GRPC_UTF8_H_
#define TPO_SERVICES_GRPC_UTF8_H_

#include <cstddef>
#include <string>

namespace tpo {

// `text`, with each byte that isn't part of a valid sequence replaced by U+FFFD. Thread-safe: a
// pure function.
std::string ValidUtf8(const std::string& text);

// What a peer said, for a log: cut after `max_bytes`, with `?` for each byte that isn't printable
// ASCII, line ends among them.
std::string Printable(const std::string& text, size_t max_bytes = 200);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_UTF8_H_
