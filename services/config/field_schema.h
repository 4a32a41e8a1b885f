// What the schema (proto/tpo/v1/config.proto) says about one field, and the text form of its
// values. Everything here works on any message through reflection.
//
// Pure functions; thread-safe.
#ifndef TPO_SERVICES_CONFIG_FIELD_SCHEMA_H_
#define TPO_SERVICES_CONFIG_FIELD_SCHEMA_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "tpo/v1/rule.pb.h"

namespace tpo {

const v1::FieldRule& RuleOf(const google::protobuf::FieldDescriptor& field);

// Name in YAML of an enumeration value: `reverse_copy` for SEQUENCE_TARGET_REVERSE_COPY.
std::string YamlName(const google::protobuf::EnumValueDescriptor& value);

// All names that may be written, in the order of the schema.
std::vector<std::string> YamlNames(const google::protobuf::EnumDescriptor& type);

// Names of the message's fields, in the order of the schema.
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);

// What a value of the field looks like, for people: "whole number", "true or false", …; for a list
// of values, "list of strings".
std::string TypeText(const google::protobuf::FieldDescriptor& field);

// The shortest text that is this number and no other: "4096", "0.001".
std::string NumberText(double value);

// The range, as in "at least 1 and below 10"; empty when there is none.
std::string RangeText(const v1::FieldRule& rule);

// Sets a scalar or enumeration field from its text, or adds to a list of strings or names.
// `quoted`: it stood in quotes, so it is a string. INVALID_ARGUMENT says what is wrong with the
// text: type, range, unknown name.
absl::Status SetFromText(const google::protobuf::FieldDescriptor& field, const std::string& text,
                         bool quoted, google::protobuf::Message* message);

// The text that SetFromText turns into the field's value again, exactly.
std::string ValueText(const google::protobuf::FieldDescriptor& field,
                      const google::protobuf::Message& message);

// The same for entry `index` of a list of strings or names.
std::string EntryText(const google::protobuf::FieldDescriptor& field,
                      const google::protobuf::Message& message, int index);

// Whether the values that a field has, where no text was read, are ones that SetFromText would have
// set: names that the schema knows, finite numbers within range. INVALID_ARGUMENT says what is
// wrong. REQUIRES: not a section, nor a list of sections.
absl::Status CheckValues(const google::protobuf::FieldDescriptor& field,
                         const google::protobuf::Message& message);

// The value of a set numeric field.
double NumberOf(const google::protobuf::FieldDescriptor& field,
                const google::protobuf::Message& message);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_FIELD_SCHEMA_H_
