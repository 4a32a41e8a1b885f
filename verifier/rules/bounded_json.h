// JSON from strangers: read with bounds on size and nesting, before which nothing is built. A pure
// function that doesn't throw.
#ifndef TPO_VERIFIER_RULES_BOUNDED_JSON_H_
#define TPO_VERIFIER_RULES_BOUNDED_JSON_H_

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tpo {

struct JsonBounds {
  size_t bytes = size_t{1} << 20;
  size_t depth = 64;
};

// INVALID_ARGUMENT: not JSON (RFC 8259, in UTF-8, without a byte order mark), or beyond the bounds.
// Of names that an object has twice the last counts. Numbers beyond what a double holds are
// refused.
absl::StatusOr<nlohmann::json> ParseBoundedJson(std::string_view text,
                                                const JsonBounds& bounds = {});

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_BOUNDED_JSON_H_
