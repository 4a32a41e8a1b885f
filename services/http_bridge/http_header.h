// Headers that go with every request of a bridge, such as an authorization. A secret comes from an
// environment variable or a file, never from the config itself: configs are copied into run
// directories and shown by `tpo validate`.
#ifndef TPO_SERVICES_HTTP_BRIDGE_HTTP_HEADER_H_
#define TPO_SERVICES_HTTP_BRIDGE_HTTP_HEADER_H_

#include <string>

#include "absl/status/statusor.h"

namespace tpo {

struct HttpHeader {
  std::string name;
  std::string value;
};

// Where a header's value comes from: exactly one of `value`, `environment` and `file`.
struct HttpHeaderSource {
  std::string name;
  std::string value;        // in clear; refused for names that carry credentials
  std::string environment;  // name of a variable
  std::string file;         // white space at its end is left out
  std::string prefix;       // put before the value, e.g. "Bearer "
};

// Reads the value, once. INVALID_ARGUMENT: the source isn't usable, or the header is one that the
// client sets itself; NOT_FOUND: the variable isn't set or the file can't be read. Messages name
// the header and the source, never the value.
absl::StatusOr<HttpHeader> ReadHeader(const HttpHeaderSource& source);

}  // namespace tpo

#endif  // TPO_SERVICES_HTTP_BRIDGE_HTTP_HEADER_H_
