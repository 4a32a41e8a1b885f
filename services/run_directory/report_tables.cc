#include "services/run_directory/report_tables.h"

#include "absl/strings/str_cat.h"
#include "services/run_directory/groups_reader.h"
#include "yaml-cpp/yaml.h"

namespace tpo {
namespace {

constexpr size_t kMaxValueBytes = 500;

std::string Join(const std::string& prefix, const std::string& key) {
  return prefix.empty() ? key : absl::StrCat(prefix, ".", key);
}

void AddYaml(const YAML::Node& node, const std::string& name, std::vector<KeyValue>* rows) {
  if (node.IsMap()) {
    for (const auto& member : node) AddYaml(member.second, Join(name, member.first.Scalar()), rows);
  } else if (node.IsSequence()) {
    for (size_t i = 0; i < node.size(); ++i) AddYaml(node[i], Join(name, absl::StrCat(i)), rows);
  } else {
    rows->emplace_back(name, OneLine(node.IsScalar() ? node.Scalar() : "", kMaxValueBytes));
  }
}

void AddJson(const nlohmann::ordered_json& value, const std::string& name,
             std::vector<KeyValue>* rows) {
  if (value.is_object()) {
    for (const auto& member : value.items())
      AddJson(member.value(), Join(name, member.key()), rows);
    return;
  }
  const std::string text = value.is_string()         ? value.get<std::string>()
                           : value.is_number_float() ? ShortNumber(value.get<double>())
                                                     : value.dump();
  rows->emplace_back(name, OneLine(text, kMaxValueBytes));
}

}  // namespace

std::vector<KeyValue> ConfigRows(const std::string& yaml) {
  std::vector<KeyValue> rows;
  try {
    AddYaml(YAML::Load(yaml), "", &rows);
  } catch (const YAML::Exception&) {
    rows = {{"config.yaml", yaml}};
  }
  return rows;
}

std::vector<KeyValue> JsonRows(const nlohmann::ordered_json& object) {
  std::vector<KeyValue> rows;
  AddJson(object, "", &rows);
  return rows;
}

}  // namespace tpo
