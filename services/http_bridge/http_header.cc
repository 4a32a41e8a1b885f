#include "services/http_bridge/http_header.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/file_system.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

constexpr std::array<std::string_view, 8> kSetByTheClient = {
    "accept", "content-length", "content-type",      "expect",
    "host",   "traceparent",    "transfer-encoding", "tracestate"};
constexpr std::array<std::string_view, 5> kCredentials = {"api-key", "authorization", "cookie",
                                                          "proxy-authorization", "x-api-key"};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), absl::AsciiStrToLower(name)) != names.end();
}

bool IsName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_';
  });
}

// A line break would let a value add headers of its own.
bool IsValue(const std::string& value) {
  return std::none_of(value.begin(), value.end(),
                      [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

absl::Status Refused(const HttpHeaderSource& source, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("header \"", source.name, "\": ", why));
}

absl::StatusOr<std::string> ReadValue(const HttpHeaderSource& source) {
  if (!source.environment.empty()) {
    const char* value = std::getenv(source.environment.c_str());
    if (value == nullptr) {
      return absl::NotFoundError(absl::StrCat("header \"", source.name,
                                              "\": the environment has no ", source.environment));
    }
    return std::string(value);
  }
  if (!source.file.empty()) {
    absl::StatusOr<std::string> text = FileSystem::Posix()->ReadFile(source.file);
    if (!text.ok()) {
      return absl::NotFoundError(
          absl::StrCat("header \"", source.name, "\": ", text.status().message()));
    }
    return std::string(absl::StripTrailingAsciiWhitespace(*text));
  }
  return source.value;
}

}  // namespace

absl::StatusOr<HttpHeader> ReadHeader(const HttpHeaderSource& source) {
  if (!IsName(source.name)) return Refused(source, "a name has letters, digits, - and _ only");
  if (Contains(kSetByTheClient, source.name)) return Refused(source, "is set by the bridge itself");
  const int given = (source.value.empty() ? 0 : 1) + (source.environment.empty() ? 0 : 1) +
                    (source.file.empty() ? 0 : 1);
  if (given != 1) return Refused(source, "give one of value, environment and file");
  if (!source.value.empty() && Contains(kCredentials, source.name)) {
    return Refused(source, "a credential has no place in a config; use environment or file");
  }
  TPO_ASSIGN_OR_RETURN(const std::string value, ReadValue(source));
  if (value.empty()) return Refused(source, "the value is empty");
  HttpHeader header{.name = source.name, .value = absl::StrCat(source.prefix, value)};
  if (!IsValue(header.value)) return Refused(source, "the value holds a control character");
  return header;
}

}  // namespace tpo
