#include "services/config/yaml_override.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

void MarkFromOverride(YamlNode* node) {
  node->from_override = true;
  for (YamlNode& item : node->items) MarkFromOverride(&item);
  for (YamlEntry& entry : node->entries) MarkFromOverride(&entry.value);
}

// Drops what the file says about other members of the field's oneof. Those of other overrides stay:
// two overrides that contradict each other are an error.
void DropOtherMembers(const FieldDescriptor& field, YamlNode* mapping) {
  if (field.real_containing_oneof() == nullptr) return;
  std::erase_if(mapping->entries, [&field](const YamlEntry& entry) {
    const FieldDescriptor* other = field.containing_type()->FindFieldByName(entry.key);
    return other != nullptr && other != &field && !entry.value.from_override &&
           other->real_containing_oneof() == field.real_containing_oneof();
  });
}

YamlNode* FindOrAdd(const std::string& key, const std::string& where, YamlNode* mapping) {
  if (YamlNode* value = mapping->Find(key)) return value;
  mapping->entries.push_back({key, {}});
  YamlNode* value = &mapping->entries.back().value;
  value->where = where;
  return value;
}

}  // namespace

absl::Status ApplyOverride(const std::string& setting, const Descriptor& type, YamlNode* root) {
  const std::string where = absl::StrCat("--set ", setting);
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": expected PATH=VALUE, as in learner.steps=100"));
  }
  const std::vector<std::string> path = absl::StrSplit(setting.substr(0, equals), '.');
  TPO_ASSIGN_OR_RETURN(YamlNode value,
                       ParseYaml(setting.substr(equals + 1), [&where](int) { return where; }));
  MarkFromOverride(&value);

  YamlNode* node = root;
  const Descriptor* section = &type;
  for (const std::string& name : path) {
    if (name.empty())
      return absl::InvalidArgumentError(absl::StrCat(where, ": a name in the path is empty"));
    if (node->kind == YamlNode::Kind::kSequence) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", name, " would be in a list; set the whole list"));
    }
    if (node->kind == YamlNode::Kind::kScalar) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": ", name, " would be below a plain value, given at ", node->where));
    }
    node->kind = YamlNode::Kind::kMapping;
    const FieldDescriptor* field = section == nullptr ? nullptr : section->FindFieldByName(name);
    if (field != nullptr) DropOtherMembers(*field, node);
    section = field == nullptr ? nullptr : field->message_type();
    node = FindOrAdd(name, where, node);
    node->from_override = true;
  }
  value.where = where;
  *node = std::move(value);
  return absl::OkStatus();
}

}  // namespace tpo
