// From a YAML tree to a message of the schema, strictly.
#ifndef TPO_SERVICES_CONFIG_MESSAGE_READER_H_
#define TPO_SERVICES_CONFIG_MESSAGE_READER_H_

#include <string>

#include "google/protobuf/message.h"
#include "services/config/config_errors.h"
#include "services/config/yaml_tree.h"

namespace tpo {

// Sets the fields of `message` that `node` gives, and notes where each stands. Adds an error for
// each unknown field, wrong type, value out of range, and second member of a oneof; the rest is
// read all the same.
void ReadMessage(const YamlNode& node, const std::string& path, google::protobuf::Message* message,
                 ConfigPlaces* places, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_MESSAGE_READER_H_
