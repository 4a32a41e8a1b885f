// JSON of files that others wrote: models, tokenizers, datasets. Refuses what a reader could take
// in two ways or break at: a key that one object has twice, of which the library would keep one,
// and arrays and objects nested deeper than kMostJsonLevels.
//
// Its time grows with the text alone. The library's own takes the square of it for an ordered
// object of many keys, and, with a callback, for many objects side by side; and it copies the
// members of a growing ordered object, by recursion, while it parses. A pure function that doesn't
// throw.
#ifndef TPO_POLICY_STRICT_JSON_H_
#define TPO_POLICY_STRICT_JSON_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tpo {

// `Json` is nlohmann::json or nlohmann::ordered_json. INVALID_ARGUMENT, with the reason: not JSON
// (RFC 8259; numbers beyond what a double holds are refused), or refused as above.
template <typename Json>
absl::StatusOr<Json> ParseStrictJson(std::string_view text);

}  // namespace tpo

#endif  // TPO_POLICY_STRICT_JSON_H_
