// `--set a.b.c=value`: one field of a YAML tree replaced from the command line.
#ifndef TPO_SERVICES_CONFIG_YAML_OVERRIDE_H_
#define TPO_SERVICES_CONFIG_YAML_OVERRIDE_H_

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "services/config/yaml_tree.h"

namespace tpo {

// Puts the value of `setting`, "path=value" with the value in YAML, into `root`, a tree for
// messages of `type`. Sections on the way are made where they are missing. Where the path chooses a
// member of a oneof, the member that the file chose is removed. Whether field and value make sense
// shows when the tree is read: the nodes name the setting as their place. INVALID_ARGUMENT: no `=`,
// an empty name in the path, a list or plain value on the way, a value that isn't YAML.
absl::Status ApplyOverride(const std::string& setting, const google::protobuf::Descriptor& type,
                           YamlNode* root);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_YAML_OVERRIDE_H_
