// Visits the sections and the values of a message of the schema, outermost first, in the order of
// the schema.
#ifndef TPO_SERVICES_CONFIG_MESSAGE_WALK_H_
#define TPO_SERVICES_CONFIG_MESSAGE_WALK_H_

#include <functional>
#include <string>

#include "google/protobuf/message.h"

namespace tpo {

// Calls `visit` for `message`, which stands at `path`, then for each section in it that is set,
// list entries included. `visit` may set sections of the message it gets; they are visited in turn.
void WalkSections(
    const std::string& path, google::protobuf::Message* message,
    const std::function<void(const std::string& path, google::protobuf::Message* section)>& visit);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_MESSAGE_WALK_H_
