// v1::Config → YAML.
#include "google/protobuf/descriptor.h"
#include "services/config/config.h"
#include "services/config/field_schema.h"
#include "yaml-cpp/emitter.h"
#include "yaml-cpp/emittermanip.h"

namespace tpo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void WriteMessage(const Message& message, YAML::Emitter* out);

void WriteText(const FieldDescriptor& field, const std::string& text, YAML::Emitter* out) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) *out << YAML::DoubleQuoted;
  *out << text;
}

void WriteValue(const FieldDescriptor& field, const Message& message, YAML::Emitter* out) {
  if (field.is_repeated()) {
    *out << YAML::BeginSeq;
    for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        WriteMessage(message.GetReflection()->GetRepeatedMessage(message, &field, i), out);
      } else {
        WriteText(field, EntryText(field, message, i), out);
      }
    }
    *out << YAML::EndSeq;
  } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    WriteMessage(message.GetReflection()->GetMessage(message, &field), out);
  } else {
    WriteText(field, ValueText(field, message), out);
  }
}

bool IsGiven(const FieldDescriptor& field, const Message& message) {
  return field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) > 0
                             : message.GetReflection()->HasField(message, &field);
}

void WriteMessage(const Message& message, YAML::Emitter* out) {
  *out << YAML::BeginMap;
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (!IsGiven(field, message)) continue;
    *out << YAML::Key << field.name() << YAML::Value;
    WriteValue(field, message, out);
  }
  *out << YAML::EndMap;
}

}  // namespace

std::string ToYaml(const v1::Config& config) {
  YAML::Emitter out;
  WriteMessage(config, &out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace tpo
