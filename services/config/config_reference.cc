// The schema → Markdown.
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"
#include "services/config/config.h"
#include "services/config/config_errors.h"
#include "services/config/field_schema.h"

namespace tpo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

constexpr char kIntroduction[] =
    "# Configuration reference\n"
    "\n"
    "Generated from `proto/tpo/v1/config.proto` by `tpo validate --reference`; change the schema, "
    "not this page.\n"
    "\n"
    "A run is described by one YAML file. It is read strictly: an unknown field, a wrong type or a "
    "value out of range is\n"
    "refused with its file, line and path. `--set a.b.c=value` overrides a field, with the value "
    "in YAML. Where several\n"
    "sections exclude one another, exactly one of them holds. Fields marked † may change when a "
    "run is resumed.\n";

std::string DefaultText(const FieldDescriptor& field) {
  const v1::FieldRule& rule = RuleOf(field);
  if (!rule.default_formula().empty()) return rule.default_formula();
  std::string text = rule.default_value();
  for (const v1::ObjectiveDefault& special : rule.default_for()) {
    absl::StrAppend(&text, "; ", special.value(), " with ",
                    absl::StrJoin(special.objectives(), ", "));
  }
  if (!rule.default_for_dataset().empty())
    absl::StrAppend(&text, "; ", rule.default_for_dataset(), " with task.dataset");
  return text;
}

std::string TypeAndRange(const FieldDescriptor& field) {
  std::string text = TypeText(field);
  const v1::FieldRule& rule = RuleOf(field);
  if (const std::string range = RangeText(rule); !range.empty())
    absl::StrAppend(&text, ", ", range);
  if (!rule.unit().empty()) absl::StrAppend(&text, " (", rule.unit(), ")");
  return text;
}

std::string Escape(const std::string& text) {
  return absl::StrReplaceAll(text, {{"|", "\\|"}, {"*", "\\*"}});
}

void AppendValues(const EnumDescriptor& type, std::string* out) {
  for (int i = 0; i < type.value_count(); ++i) {
    if (type.value(i)->number() == 0) continue;
    absl::StrAppend(out, "<br>`", YamlName(*type.value(i)),
                    "`: ", Escape(type.value(i)->options().GetExtension(v1::value).help()));
  }
}

// Column "meaning" of a field: its help, and where it holds instead of something else.
std::string Meaning(const FieldDescriptor& field, const std::string& path) {
  std::string text = Escape(RuleOf(field).help());
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) AppendValues(*field.enum_type(), &text);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
      field.message_type()->field_count() > 0) {
    absl::StrAppend(&text, " See `", path, "`.");
  }
  return text;
}

std::string DefaultColumn(const FieldDescriptor& field) {
  if (const google::protobuf::OneofDescriptor* choice = field.real_containing_oneof()) {
    const v1::ChoiceRule& rule = choice->options().GetExtension(v1::choice);
    return rule.default_member() == field.name() ? "chosen by default" : "";
  }
  if (RuleOf(field).may_be_absent()) return "none";
  return RuleOf(field).required() ? "*required*" : Escape(DefaultText(field));
}

// Where the fields of a section are listed: under the first path that leads to one like it.
using FirstPaths = std::map<const Descriptor*, std::string>;

const std::string& FirstPath(const FieldDescriptor& field, const std::string& path,
                             FirstPaths* first_paths) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return path;
  return first_paths->emplace(field.message_type(), path).first->second;
}

void AppendRow(const FieldDescriptor& field, const std::string& path, bool may_change,
               std::string* out) {
  absl::StrAppend(out, "| `", field.name(), "`", may_change ? " †" : "", " | ", TypeAndRange(field),
                  " | ", DefaultColumn(field), " | ", Meaning(field, path), " |\n");
}

void AppendSection(const Descriptor& type, const std::string& path, bool may_change,
                   FirstPaths* first_paths, std::string* out) {
  if (type.field_count() == 0) return;
  absl::StrAppend(out, "\n## ", path.empty() ? "The file" : absl::StrCat("`", path, "`"),
                  "\n\n| field | type | default | meaning |\n|---|---|---|---|\n");
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string field_path =
        FieldPath(path, field.name()) + (field.is_repeated() ? "[]" : "");
    AppendRow(field, FirstPath(field, field_path, first_paths),
              may_change || RuleOf(field).may_change_on_resume(), out);
  }
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string field_path =
        FieldPath(path, field.name()) + (field.is_repeated() ? "[]" : "");
    if (FirstPath(field, field_path, first_paths) != field_path) continue;
    AppendSection(*field.message_type(), field_path,
                  may_change || RuleOf(field).may_change_on_resume(), first_paths, out);
  }
}

}  // namespace

std::string ConfigReference() {
  std::string out = kIntroduction;
  FirstPaths first_paths;
  AppendSection(*v1::Config::descriptor(), "", false, &first_paths, &out);
  return out;
}

}  // namespace tpo
