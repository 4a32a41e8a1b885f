#include "services/config/field_schema.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "services/config/address.h"
#include "services/config/did_you_mean.h"

namespace tpo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status Mismatch(const FieldDescriptor& field, const std::string& text, bool quoted) {
  return absl::InvalidArgumentError(absl::StrCat("expected a ", TypeText(field), ", found ",
                                                 quoted ? "the string " : "", "\"", text, "\""));
}

// TARGET_KIND for TargetKind: the prefix of the enumeration's value names.
std::string EnumPrefix(const EnumDescriptor& type) {
  std::string prefix;
  for (const char c : type.name()) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  return prefix + "_";
}

absl::Status CheckRange(const v1::FieldRule& rule, double value, const std::string& text) {
  const bool inside = (!rule.has_at_least() || value >= rule.at_least()) &&
                      (!rule.has_above() || value > rule.above()) &&
                      (!rule.has_at_most() || value <= rule.at_most()) &&
                      (!rule.has_below() || value < rule.below());
  if (inside) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(text, " is out of range: must be ", RangeText(rule)));
}

bool IsWholeNumber(const std::string& text) {
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.size() > sign &&
         std::all_of(text.begin() + static_cast<std::ptrdiff_t>(sign), text.end(),
                     [](char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); });
}

// A whole number of type T that the rule accepts.
template <typename T>
absl::StatusOr<T> WholeNumber(const FieldDescriptor& field, const std::string& text, bool quoted) {
  if (quoted || !IsWholeNumber(text)) return Mismatch(field, text, quoted);
  T value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    const std::string range = RangeText(RuleOf(field));
    return absl::InvalidArgumentError(
        absl::StrCat(text, " is out of range: must be ",
                     range.empty() ? absl::StrCat("from ", std::numeric_limits<T>::min(), " to ",
                                                  std::numeric_limits<T>::max())
                                   : range));
  }
  TPO_RETURN_IF_ERROR(CheckRange(RuleOf(field), static_cast<double>(value), text));
  return value;
}

absl::StatusOr<double> RealNumber(const FieldDescriptor& field, const std::string& text,
                                  bool quoted) {
  // SimpleAtod alone would take "nan", "infinity" and surrounding blanks.
  const bool looks_numeric = !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '+' ||
           c == 'e' || c == 'E';
  });
  const std::string lower = absl::AsciiStrToLower(text);
  if (!quoted && (lower == ".nan" || lower == ".inf" || lower == "-.inf" || lower == "+.inf" ||
                  lower == "nan" || lower == "inf" || lower == "-inf" || lower == "+inf" ||
                  lower == "infinity")) {
    return absl::InvalidArgumentError(absl::StrCat(text, " is not a finite number"));
  }
  double value = 0.0;
  if (quoted || !looks_numeric || !absl::SimpleAtod(text, &value))
    return Mismatch(field, text, quoted);
  if (!std::isfinite(value))
    return absl::InvalidArgumentError(absl::StrCat(text, " is not a finite number"));
  TPO_RETURN_IF_ERROR(CheckRange(RuleOf(field), value, text));
  return value;
}

absl::StatusOr<const EnumValueDescriptor*> EnumValue(const FieldDescriptor& field,
                                                     const std::string& text) {
  const std::vector<std::string> names = YamlNames(*field.enum_type());
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    const EnumValueDescriptor* value = field.enum_type()->value(i);
    if (value->number() != 0 && YamlName(*value) == text) return value;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", text, "\" is none of ", absl::StrJoin(names, ", "), DidYouMean(text, names)));
}

absl::Status CheckNumber(const FieldDescriptor& field, double value) {
  if (!std::isfinite(value))
    return absl::InvalidArgumentError(absl::StrCat(value, " is not a finite number"));
  return CheckRange(RuleOf(field), value, NumberText(value));
}

absl::Status CheckEnumNumber(const FieldDescriptor& field, int number) {
  if (number != 0 && field.enum_type()->FindValueByNumber(number) != nullptr)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "value ", number, " is none of ", absl::StrJoin(YamlNames(*field.enum_type()), ", ")));
}

}  // namespace

const v1::FieldRule& RuleOf(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::rule);
}

std::string YamlName(const EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(value.name().substr(EnumPrefix(*value.type()).size()));
}

std::vector<std::string> YamlNames(const EnumDescriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() != 0) names.push_back(YamlName(*type.value(i)));
  }
  return names;
}

std::vector<std::string> FieldNames(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
  return names;
}

std::string TypeText(const FieldDescriptor& field) {
  if (field.is_repeated()) {
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return "list of sections";
      case FieldDescriptor::CPPTYPE_ENUM:
        return "list of names";
      default:
        return "list of strings";
    }
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "section";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "boolean (true or false)";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "number";
    case FieldDescriptor::CPPTYPE_ENUM:
      return "name";
    case FieldDescriptor::CPPTYPE_STRING:
      return RuleOf(field).is_address() ? "HOST:PORT" : "string";
    default:
      return "whole number";
  }
}

std::string NumberText(double value) {
  if (value == std::floor(value) && std::abs(value) < 1e15)
    return absl::StrCat(static_cast<int64_t>(value));
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return std::string(buffer, end);
}

std::string RangeText(const v1::FieldRule& rule) {
  std::vector<std::string> parts;
  if (rule.has_at_least()) parts.push_back(absl::StrCat("at least ", NumberText(rule.at_least())));
  if (rule.has_above()) parts.push_back(absl::StrCat("above ", NumberText(rule.above())));
  if (rule.has_at_most()) parts.push_back(absl::StrCat("at most ", NumberText(rule.at_most())));
  if (rule.has_below()) parts.push_back(absl::StrCat("below ", NumberText(rule.below())));
  return absl::StrJoin(parts, " and ");
}

absl::Status SetFromText(const FieldDescriptor& field, const std::string& text, bool quoted,
                         Message* message) {
  const google::protobuf::Reflection& reflection = *message->GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (quoted || (text != "true" && text != "false")) return Mismatch(field, text, quoted);
      reflection.SetBool(message, &field, text == "true");
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_INT32: {
      TPO_ASSIGN_OR_RETURN(const int32_t value, WholeNumber<int32_t>(field, text, quoted));
      reflection.SetInt32(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_INT64: {
      TPO_ASSIGN_OR_RETURN(const int64_t value, WholeNumber<int64_t>(field, text, quoted));
      reflection.SetInt64(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_UINT64: {
      TPO_ASSIGN_OR_RETURN(const uint64_t value, WholeNumber<uint64_t>(field, text, quoted));
      reflection.SetUInt64(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_DOUBLE: {
      TPO_ASSIGN_OR_RETURN(const double value, RealNumber(field, text, quoted));
      reflection.SetDouble(message, &field, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      TPO_ASSIGN_OR_RETURN(const EnumValueDescriptor* value, EnumValue(field, text));
      if (field.is_repeated()) {
        reflection.AddEnum(message, &field, value);
      } else {
        reflection.SetEnum(message, &field, value);
      }
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING:
      if (RuleOf(field).is_address()) TPO_RETURN_IF_ERROR(CheckAddress(text, PortZero::kRefused));
      if (field.is_repeated()) {
        reflection.AddString(message, &field, text);
      } else {
        reflection.SetString(message, &field, text);
      }
      return absl::OkStatus();
    default:
      return absl::InternalError(
          absl::StrCat("the schema gives ", field.full_name(), " a type that no file can hold"));
  }
}

std::string ValueText(const FieldDescriptor& field, const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return absl::StrCat(reflection.GetUInt64(message, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return NumberText(reflection.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return YamlName(*reflection.GetEnum(message, &field));
    default:
      return reflection.GetString(message, &field);
  }
}

std::string EntryText(const FieldDescriptor& field, const Message& message, int index) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  return field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM
             ? YamlName(*reflection.GetRepeatedEnum(message, &field, index))
             : reflection.GetRepeatedString(message, &field, index);
}

absl::Status CheckValues(const FieldDescriptor& field, const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (field.is_repeated()) {
    const bool names = field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM;
    for (int i = 0; names && i < reflection.FieldSize(message, &field); ++i)
      TPO_RETURN_IF_ERROR(
          CheckEnumNumber(field, reflection.GetRepeatedEnumValue(message, &field, i)));
    return absl::OkStatus();
  }
  if (!reflection.HasField(message, &field)) return absl::OkStatus();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_ENUM:
      return CheckEnumNumber(field, reflection.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      if (!RuleOf(field).is_address()) return absl::OkStatus();
      return CheckAddress(reflection.GetString(message, &field), PortZero::kRefused);
    case FieldDescriptor::CPPTYPE_BOOL:
      return absl::OkStatus();
    default:
      return CheckNumber(field, NumberOf(field, message));
  }
}

double NumberOf(const FieldDescriptor& field, const Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.GetInt32(message, &field);
    case FieldDescriptor::CPPTYPE_INT64:
      return static_cast<double>(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return static_cast<double>(reflection.GetUInt64(message, &field));
    default:
      return reflection.GetDouble(message, &field);
  }
}

}  // namespace tpo
