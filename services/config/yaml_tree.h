// A YAML document as a plain tree in which every node knows where it was written, so that every
// later error can say so. Only what a config file needs: one document, mappings with plain names as
// keys, sequences and scalars. Anchors, aliases, tags, duplicate keys, control characters and bytes
// that aren't UTF-8 are refused.
//
// Values: no thread rules.
#ifndef TPO_SERVICES_CONFIG_YAML_TREE_H_
#define TPO_SERVICES_CONFIG_YAML_TREE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tpo {

struct YamlEntry;

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMapping };

  Kind kind = Kind::kNull;
  // For errors: "FILE:LINE", or the override that the node comes from.
  std::string where;
  bool from_override = false;
  // kScalar: its text, and whether it stood in quotes (then it is a string, whatever it looks
  // like).
  std::string scalar;
  bool quoted = false;
  std::vector<YamlNode> items;     // kSequence
  std::vector<YamlEntry> entries;  // kMapping, in the order of the text; keys are unique

  // The value under `key`, or null.
  YamlNode* Find(const std::string& key);
};

struct YamlEntry {
  std::string key;
  YamlNode value;  // its `where` is the key's
};

// Names a place in the text from a line number, counted from 1.
using YamlPlace = std::function<std::string(int line)>;

// Parses one document. INVALID_ARGUMENT, as "PLACE: what is wrong": broken YAML, more than 1 MiB,
// more than one document, none at all, or something refused (see above).
absl::StatusOr<YamlNode> ParseYaml(const std::string& text, const YamlPlace& place);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_YAML_TREE_H_
