#include "services/config/message_walk.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "services/config/config_errors.h"

namespace tpo {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

void WalkSections(const std::string& path, Message* message,
                  const std::function<void(const std::string& path, Message* section)>& visit) {
  visit(path, message);
  const Reflection& reflection = *message->GetReflection();
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string field_path = FieldPath(path, field.name());
    if (field.is_repeated()) {
      for (int j = 0; j < reflection.FieldSize(*message, &field); ++j) {
        WalkSections(absl::StrCat(field_path, "[", j, "]"),
                     reflection.MutableRepeatedMessage(message, &field, j), visit);
      }
    } else if (reflection.HasField(*message, &field)) {
      WalkSections(field_path, reflection.MutableMessage(message, &field), visit);
    }
  }
}

}  // namespace tpo
