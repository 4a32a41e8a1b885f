#include "services/config/config_defaults.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "services/config/field_schema.h"
#include "services/config/message_walk.h"

namespace tpo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

// Sets a default. That it fits the field is a property of the schema, which a test checks.
void SetDefault(const FieldDescriptor& field, const std::string& value, const std::string& path,
                Message* message, ConfigErrors* errors) {
  if (absl::Status status = SetFromText(field, value, /*quoted=*/false, message); !status.ok()) {
    errors->Add("", path, absl::StrCat("its default: ", std::string(status.message())));
  }
}

void ChooseMembers(const std::string& path, const ConfigPlaces& places, Message* message,
                   ConfigErrors* errors) {
  for (int i = 0; i < message->GetDescriptor()->real_oneof_decl_count(); ++i) {
    const OneofDescriptor& choice = *message->GetDescriptor()->oneof_decl(i);
    if (message->GetReflection()->HasOneof(*message, &choice)) continue;
    const v1::ChoiceRule& rule = choice.options().GetExtension(v1::choice);
    if (!rule.default_member().empty()) {
      message->GetReflection()->MutableMessage(
          message, choice.containing_type()->FindFieldByName(rule.default_member()));
    } else if (rule.required()) {
      std::vector<std::string> names;
      for (int j = 0; j < choice.field_count(); ++j) names.push_back(choice.field(j)->name());
      errors->Add(places.Find(path), path,
                  absl::StrCat("is missing; give it one of ", absl::StrJoin(names, ", ")));
    }
  }
}

bool IsGiven(const FieldDescriptor& field, const Message& message) {
  return field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) > 0
                             : message.GetReflection()->HasField(message, &field);
}

void MakeSections(Message* message) {
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated() &&
        field.real_containing_oneof() == nullptr) {
      message->GetReflection()->MutableMessage(message, &field);
    }
  }
}

// Its default depends on other fields.
bool HasSpecialDefault(const v1::FieldRule& rule) {
  return !rule.default_for().empty() || !rule.default_for_dataset().empty();
}

void FillConstants(const std::string& path, const ConfigPlaces& places, Message* message,
                   ConfigErrors* errors) {
  MakeSections(message);
  ChooseMembers(path, places, message, errors);
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    const v1::FieldRule& rule = RuleOf(field);
    if (IsGiven(field, *message) || (field.is_repeated() && !rule.required())) continue;
    const std::string field_path = FieldPath(path, field.name());
    if (rule.required()) {
      errors->Add(places.Find(field_path), field_path,
                  absl::StrCat("is missing; it has no default. ", rule.help()));
    } else if (!rule.default_value().empty() && !HasSpecialDefault(rule)) {
      SetDefault(field, rule.default_value(), field_path, message, errors);
    }
  }
}

// The value of "NUMBER * path"; none where the path leads through a section that isn't chosen.
std::optional<double> EvaluateFormula(const std::string& formula, const Message& config) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(formula, absl::MaxSplits(" * ", 1));
  double factor = 0.0;
  (void)absl::SimpleAtod(parts.first, &factor);
  const Message* message = &config;
  const FieldDescriptor* field = nullptr;
  for (const std::string& name : std::vector<std::string>(absl::StrSplit(parts.second, '.'))) {
    if (field != nullptr) {
      if (!message->GetReflection()->HasField(*message, field)) return std::nullopt;
      message = &message->GetReflection()->GetMessage(*message, field);
    }
    field = message->GetDescriptor()->FindFieldByName(name);
  }
  return factor * NumberOf(*field, *message);
}

const std::string& DefaultFor(const v1::FieldRule& rule, const std::string& objective,
                              bool dataset) {
  if (dataset && !rule.default_for_dataset().empty()) return rule.default_for_dataset();
  for (const v1::ObjectiveDefault& special : rule.default_for()) {
    for (const std::string& name : special.objectives()) {
      if (name == objective) return special.value();
    }
  }
  return rule.default_value();
}

void FillDependents(const std::string& path, const v1::Config& config, Message* message,
                    ConfigErrors* errors) {
  const std::string objective =
      YamlName(*v1::Objective_descriptor()->FindValueByNumber(config.learner().objective()));
  for (int i = 0; i < message->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message->GetDescriptor()->field(i);
    const v1::FieldRule& rule = RuleOf(field);
    if (field.is_repeated() || message->GetReflection()->HasField(*message, &field)) continue;
    if (HasSpecialDefault(rule)) {
      SetDefault(field, DefaultFor(rule, objective, config.task().has_dataset()),
                 FieldPath(path, field.name()), message, errors);
    } else if (!rule.default_formula().empty()) {
      const std::optional<double> value = EvaluateFormula(rule.default_formula(), config);
      if (value.has_value())
        SetDefault(field, NumberText(*value), FieldPath(path, field.name()), message, errors);
    }
  }
}

}  // namespace

void FillSectionDefaults(const std::string& path, const ConfigPlaces& places, Message* section,
                         ConfigErrors* errors) {
  WalkSections(path, section, [&](const std::string& section_path, Message* message) {
    FillConstants(section_path, places, message, errors);
  });
}

void FillDefaults(const ConfigPlaces& places, v1::Config* config, ConfigErrors* errors) {
  FillSectionDefaults("", places, config, errors);
  if (!errors->empty()) return;
  WalkSections("", config, [&](const std::string& path, Message* message) {
    FillDependents(path, *config, message, errors);
  });
}

}  // namespace tpo
