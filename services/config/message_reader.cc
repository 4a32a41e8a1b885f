#include "services/config/message_reader.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "services/config/did_you_mean.h"
#include "services/config/field_schema.h"

namespace tpo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;

std::string KindText(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kScalar:
      return absl::StrCat("\"", node.scalar, "\"");
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
  }
  return "";
}

// Paths of all fields called `name` anywhere in the schema below `type`, for a field in the wrong
// section.
void FindElsewhere(const Descriptor& type, const std::string& path, const std::string& name,
                   std::vector<std::string>* found) {
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const std::string field_path = FieldPath(path, field.name());
    if (field.name() == name) found->push_back(field_path);
    if (field.message_type() != nullptr)
      FindElsewhere(*field.message_type(), field_path, name, found);
  }
}

class MessageReader {
 public:
  MessageReader(const Descriptor& root, ConfigPlaces* places, ConfigErrors* errors)
      : root_(root), places_(*places), errors_(*errors) {}

  void Read(const YamlNode& node, const std::string& path, Message* message) {
    places_.Add(path, node.where);
    if (node.kind != YamlNode::Kind::kMapping) {
      errors_.Add(node.where, path,
                  absl::StrCat("expected a mapping with the fields ",
                               absl::StrJoin(FieldNames(*message->GetDescriptor()), ", "),
                               "; found ", KindText(node)));
      return;
    }
    for (const YamlEntry& entry : node.entries) {
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(entry.key);
      const std::string field_path = FieldPath(path, entry.key);
      if (field == nullptr) {
        ReportUnknown(entry, field_path, *message->GetDescriptor());
      } else if (!ReportSecondMember(*field, entry, field_path, *message)) {
        ReadField(*field, entry.value, field_path, message);
      }
    }
  }

 private:
  void ReportUnknown(const YamlEntry& entry, const std::string& path, const Descriptor& type) {
    const std::vector<std::string> names = FieldNames(type);
    std::string hint = DidYouMean(entry.key, names);
    if (hint.empty()) {
      std::vector<std::string> elsewhere;
      FindElsewhere(root_, "", entry.key, &elsewhere);
      hint = elsewhere.empty()
                 ? "."
                 : absl::StrCat("; did you mean ", absl::StrJoin(elsewhere, " or "), "?");
    }
    errors_.Add(
        entry.value.where, path,
        absl::StrCat("is no field", hint, " The fields here: ", absl::StrJoin(names, ", ")));
  }

  // Whether another member of the field's oneof was read before.
  bool ReportSecondMember(const FieldDescriptor& field, const YamlEntry& entry,
                          const std::string& path, const Message& message) {
    const OneofDescriptor* choice = field.real_containing_oneof();
    if (choice == nullptr || !message.GetReflection()->HasOneof(message, choice)) return false;
    const FieldDescriptor* first =
        message.GetReflection()->GetOneofFieldDescriptor(message, choice);
    const std::string first_path =
        absl::StrCat(path.substr(0, path.size() - entry.key.size()), first->name());
    errors_.Add(entry.value.where, path,
                absl::StrCat("cannot be given together with ", first_path, " (",
                             places_.Find(first_path), "); exactly one holds"));
    return true;
  }

  void ReadField(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                 Message* message) {
    places_.Add(path, node.where);
    if (field.is_repeated()) {
      ReadList(field, node, path, message);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Read(node, path, message->GetReflection()->MutableMessage(message, &field));
    } else {
      ReadValue(field, node, path, message);
    }
  }

  void ReadValue(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                 Message* message) {
    if (node.kind != YamlNode::Kind::kScalar) {
      errors_.Add(node.where, path,
                  absl::StrCat("expected a ", field.is_repeated() ? "value" : TypeText(field),
                               ", found ", KindText(node)));
    } else if (absl::Status status = SetFromText(field, node.scalar, node.quoted, message);
               !status.ok()) {
      errors_.Add(node.where, path, std::string(status.message()));
    }
  }

  void ReadList(const FieldDescriptor& field, const YamlNode& node, const std::string& path,
                Message* message) {
    if (node.kind != YamlNode::Kind::kSequence) {
      errors_.Add(node.where, path, absl::StrCat("expected a list, found ", KindText(node)));
      return;
    }
    for (size_t i = 0; i < node.items.size(); ++i) {
      const std::string entry_path = absl::StrCat(path, "[", i, "]");
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        Read(node.items[i], entry_path, message->GetReflection()->AddMessage(message, &field));
      } else {
        places_.Add(entry_path, node.items[i].where);
        ReadValue(field, node.items[i], entry_path, message);
      }
    }
  }

  const Descriptor& root_;
  ConfigPlaces& places_;
  ConfigErrors& errors_;
};

}  // namespace

void ReadMessage(const YamlNode& node, const std::string& path, Message* message,
                 ConfigPlaces* places, ConfigErrors* errors) {
  MessageReader(*message->GetDescriptor(), places, errors).Read(node, path, message);
}

}  // namespace tpo
