#include "verifier/rules/json_schema.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "verifier/rules/bounded_json.h"
#include "verifier/rules/json_schema_node.h"
#include "verifier/rules/length_verifier.h"
#include "verifier/rules/number.h"

namespace tpo {
namespace {

using nlohmann::json;

// Of schemas that apply to one another; a value is nested 64 deep at most (ParseBoundedJson), with
// a few schemas for each level.
constexpr int kDeepest = 600;
constexpr size_t kBytesPerStep = 64;

uint32_t TypesOf(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return kSchemaNull;
    case json::value_t::boolean:
      return kSchemaBoolean;
    case json::value_t::string:
      return kSchemaString;
    case json::value_t::array:
      return kSchemaArray;
    case json::value_t::object:
      return kSchemaObject;
    case json::value_t::number_float:
      return std::floor(value.get<double>()) == value.get<double>() ? kSchemaNumber | kSchemaInteger
                                                                    : kSchemaNumber;
    default:
      return kSchemaNumber | kSchemaInteger;
  }
}

// One validation.
class Validation {
 public:
  Validation(const std::vector<SchemaNode>& nodes, int64_t steps) : nodes_(nodes), steps_(steps) {}

  JsonSchema::Result Run(const json& value) {
    const bool valid = Holds(0, value);
    if (steps_ < 0) return {.outcome = JsonSchema::Outcome::kUndecided, .where = "", .keyword = ""};
    if (valid) return {};
    return {.outcome = JsonSchema::Outcome::kInvalid, .where = where_, .keyword = keyword_};
  }

 private:
  // Once the steps are used up nothing holds, and nothing more is looked at.
  bool Spend(size_t steps) {
    if (steps_ >= 0) steps_ -= static_cast<int64_t>(steps);
    return steps_ >= 0;
  }

  bool Fail(const char* keyword) {
    where_.clear();
    keyword_ = keyword;
    return false;
  }

  bool Holds(int index, const json& value) {
    if (index == kNoSchema) return true;
    if (!Spend(1)) return false;
    if (depth_ >= kDeepest) {
      steps_ = -1;
      return false;
    }
    ++depth_;
    const SchemaNode& node = nodes_[index];
    const bool holds = !node.never ? HoldsValue(node, value) && HoldsKind(node, value) &&
                                         HoldsCombined(node, value)
                                   : Fail("false");
    --depth_;
    return holds;
  }

  // The same for a part of the value.
  bool HoldsAt(int index, const json& value, const std::string& segment) {
    if (Holds(index, value)) return true;
    where_ = absl::StrCat("/", segment, where_);
    return false;
  }

  bool HoldsValue(const SchemaNode& node, const json& value) {
    if (node.types != 0 && (node.types & TypesOf(value)) == 0) return Fail("type");
    if (node.constant.has_value() && !Equal(*node.constant, value)) return Fail("const");
    if (!node.choices.has_value()) return true;
    for (const json& choice : *node.choices) {
      if (Equal(choice, value)) return true;
    }
    return Fail("enum");
  }

  bool HoldsKind(const SchemaNode& node, const json& value) {
    if (value.is_number()) return HoldsNumber(node, value);
    if (value.is_string()) return HoldsString(node, value.get_ref<const std::string&>());
    if (value.is_array()) return HoldsArray(node, value);
    if (value.is_object()) return HoldsObject(node, value);
    return true;
  }

  bool HoldsNumber(const SchemaNode& node, const json& value) {
    const auto number = value.get<long double>();
    if (node.minimum.has_value() && number < *node.minimum) return Fail("minimum");
    if (node.maximum.has_value() && number > *node.maximum) return Fail("maximum");
    if (node.exclusive_minimum.has_value() && number <= *node.exclusive_minimum)
      return Fail("exclusiveMinimum");
    if (node.exclusive_maximum.has_value() && number >= *node.exclusive_maximum)
      return Fail("exclusiveMaximum");
    if (!node.multiple_of.has_value()) return true;
    // What is written of a number reads as the same number, integers of all sizes included.
    const Number written = OnlyNumber(value.dump(), {}).value_or(Number());
    return (Spend(1) && IsMultiple(written, *node.multiple_of)) || Fail("multipleOf");
  }

  bool HoldsString(const SchemaNode& node, const std::string& text) {
    if (!Spend(text.size() / kBytesPerStep)) return false;
    if (node.min_length.has_value() || node.max_length.has_value()) {
      const int64_t length = CountCharacters(text);
      if (length < node.min_length.value_or(0)) return Fail("minLength");
      if (length > node.max_length.value_or(length)) return Fail("maxLength");
    }
    return node.pattern == nullptr || RE2::PartialMatch(text, *node.pattern) || Fail("pattern");
  }

  bool HoldsArray(const SchemaNode& node, const json& value) {
    const auto size = static_cast<int64_t>(value.size());
    if (size < node.min_items.value_or(0)) return Fail("minItems");
    if (size > node.max_items.value_or(size)) return Fail("maxItems");
    for (size_t i = 0; i < value.size(); ++i) {
      const int schema = i < node.prefix_items.size() ? node.prefix_items[i] : node.items;
      if (!HoldsAt(schema, value[i], absl::StrCat(i))) return false;
    }
    return HoldsContains(node, value) && (!node.unique_items || IsUnique(value));
  }

  bool HoldsContains(const SchemaNode& node, const json& value) {
    if (node.contains == kNoSchema) return true;
    const int64_t found = std::count_if(value.begin(), value.end(), [&](const json& element) {
      return Holds(node.contains, element);
    });
    if (found < node.min_contains.value_or(1)) return Fail("contains");
    return found <= node.max_contains.value_or(found) || Fail("maxContains");
  }

  bool IsUnique(const json& value) {
    for (size_t i = 0; i < value.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        if (Equal(value[i], value[k])) return Fail("uniqueItems");
        if (steps_ < 0) return false;
      }
    }
    return true;
  }

  bool HoldsObject(const SchemaNode& node, const json& value) {
    const auto size = static_cast<int64_t>(value.size());
    if (size < node.min_properties.value_or(0)) return Fail("minProperties");
    if (size > node.max_properties.value_or(size)) return Fail("maxProperties");
    if (!Has(value, node.required)) return Fail("required");
    for (const auto& [name, others] : node.dependent_required) {
      if (value.contains(name) && !Has(value, others)) return Fail("dependentRequired");
    }
    for (const auto& [name, schema] : node.dependent_schemas) {
      if (value.contains(name) && !Holds(schema, value)) return false;
    }
    for (const auto& [name, property] : value.items()) {
      if (!HoldsProperty(node, name, property)) return false;
    }
    return true;
  }

  bool Has(const json& value, const std::vector<std::string>& names) {
    return Spend(names.size()) && std::all_of(names.begin(), names.end(), [&](const auto& name) {
             return value.contains(name);
           });
  }

  bool HoldsProperty(const SchemaNode& node, const std::string& name, const json& value) {
    if (!Spend(1 + node.pattern_properties.size() * (1 + name.size() / kBytesPerStep)))
      return false;
    if (node.property_names != kNoSchema && !Holds(node.property_names, json(name)))
      return Fail("propertyNames");
    bool evaluated = false;
    if (const auto property = node.properties.find(name); property != node.properties.end()) {
      evaluated = true;
      if (!HoldsAt(property->second, value, name)) return false;
    }
    for (const auto& [pattern, schema] : node.pattern_properties) {
      if (!RE2::PartialMatch(name, *pattern)) continue;
      evaluated = true;
      if (!HoldsAt(schema, value, name)) return false;
    }
    return evaluated || HoldsAt(node.additional_properties, value, name);
  }

  bool HoldsCombined(const SchemaNode& node, const json& value) {
    if (!Holds(node.reference, value)) return false;
    for (const int schema : node.all_of) {
      if (!Holds(schema, value)) return false;
    }
    if (!node.any_of.empty() && CountOf(node.any_of, value, 1) == 0) return Fail("anyOf");
    if (!node.one_of.empty() && CountOf(node.one_of, value, 2) != 1) return Fail("oneOf");
    if (node.negated != kNoSchema && Holds(node.negated, value)) return Fail("not");
    if (node.condition == kNoSchema) return true;
    return Holds(Holds(node.condition, value) ? node.consequence : node.alternative, value);
  }

  // How many of the schemas hold, up to `enough`.
  int CountOf(const std::vector<int>& schemas, const json& value, int enough) {
    int count = 0;
    for (const int schema : schemas) {
      if (Holds(schema, value) && ++count == enough) break;
    }
    return count;
  }

  // 1 and 1.0 are equal; true and 1 aren't. Values are nested 64 deep at most.
  bool Equal(const json& a, const json& b) {
    if (!Spend(1)) return false;
    if (a.is_number() && b.is_number()) return a.get<long double>() == b.get<long double>();
    if (a.type() != b.type() || a.size() != b.size()) return false;
    if (a.is_array()) {
      for (size_t i = 0; i < a.size(); ++i) {
        if (!Equal(a[i], b[i])) return false;
      }
      return true;
    }
    if (!a.is_object()) {
      if (a.is_string() && !Spend(a.get_ref<const std::string&>().size() / kBytesPerStep))
        return false;
      return a == b;
    }
    for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
      if (left.key() != right.key() || !Equal(left.value(), right.value())) return false;
    }
    return true;
  }

  const std::vector<SchemaNode>& nodes_;
  int64_t steps_;
  int depth_ = 0;
  std::string where_;
  std::string keyword_;
};

}  // namespace

JsonSchema::JsonSchema() = default;
JsonSchema::~JsonSchema() = default;

absl::StatusOr<std::shared_ptr<const JsonSchema>> JsonSchema::Compile(std::string_view text) {
  TPO_ASSIGN_OR_RETURN(const json schema, ParseBoundedJson(text));
  auto compiled = std::shared_ptr<JsonSchema>(new JsonSchema());
  TPO_ASSIGN_OR_RETURN(compiled->nodes_, CompileSchemaNodes(schema));
  return compiled;
}

JsonSchema::Result JsonSchema::Validate(const json& value, int64_t max_steps) const {
  return Validation(nodes_, max_steps).Run(value);
}

}  // namespace tpo
