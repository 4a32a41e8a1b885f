// A compiled (sub)schema of json_schema.h. Not for other modules.
#ifndef TPO_VERIFIER_RULES_JSON_SCHEMA_NODE_H_
#define TPO_VERIFIER_RULES_JSON_SCHEMA_NODE_H_

#include <re2/re2.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "verifier/rules/number.h"

namespace tpo {

// Sets of types. A number without a fraction is an integer, too.
enum SchemaType : uint32_t {
  kSchemaNull = 1,
  kSchemaBoolean = 2,
  kSchemaInteger = 4,
  kSchemaNumber = 8,
  kSchemaString = 16,
  kSchemaArray = 32,
  kSchemaObject = 64
};

inline constexpr int kNoSchema = -1;

// Other schemas are indices into the list of all. What isn't given has no value.
struct SchemaNode {
  bool never = false;  // the schema `false`
  uint32_t types = 0;  // 0: any
  std::optional<nlohmann::json> constant;
  std::optional<nlohmann::json> choices;  // enum

  std::optional<long double> minimum, maximum, exclusive_minimum, exclusive_maximum;
  std::optional<Number> multiple_of;

  std::optional<int64_t> min_length, max_length;
  std::shared_ptr<const RE2> pattern;

  std::optional<int64_t> min_items, max_items, min_contains, max_contains;
  bool unique_items = false;
  std::vector<int> prefix_items;
  int items = kNoSchema;
  int contains = kNoSchema;

  std::optional<int64_t> min_properties, max_properties;
  std::vector<std::string> required;
  std::map<std::string, int> properties;
  std::vector<std::pair<std::shared_ptr<const RE2>, int>> pattern_properties;
  int additional_properties = kNoSchema;
  int property_names = kNoSchema;
  std::map<std::string, std::vector<std::string>> dependent_required;
  std::map<std::string, int> dependent_schemas;

  int reference = kNoSchema;
  std::vector<int> all_of, any_of, one_of;
  int negated = kNoSchema;
  int condition = kNoSchema;  // if
  int consequence = kNoSchema;
  int alternative = kNoSchema;
};

// The schemas within `schema`, which is the first. INVALID_ARGUMENT as JsonSchema::Compile.
absl::StatusOr<std::vector<SchemaNode>> CompileSchemaNodes(const nlohmann::json& schema);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_JSON_SCHEMA_NODE_H_
