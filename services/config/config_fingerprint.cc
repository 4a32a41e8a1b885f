// What of a config must stay the same when a run is resumed.
#include <cstdint>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "services/config/config.h"
#include "services/config/config_errors.h"
#include "services/config/field_schema.h"

namespace tpo {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Values of the fields that must stay, by path.
using FixedValues = std::map<std::string, std::string>;

void Collect(const Message& message, const std::string& path, FixedValues* values);

void CollectEntries(const Message& message, const FieldDescriptor& field, const std::string& path,
                    FixedValues* values) {
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const std::string entry_path = absl::StrCat(path, "[", i, "]");
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      // An entry may hold nothing that must stay: that it is there counts.
      (*values)[entry_path] = "an entry";
      Collect(message.GetReflection()->GetRepeatedMessage(message, &field, i), entry_path, values);
    } else {
      (*values)[entry_path] = EntryText(field, message, i);
    }
  }
}

void Collect(const Message& message, const std::string& path, FixedValues* values) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (RuleOf(field).may_change_on_resume()) continue;
    const std::string field_path = FieldPath(path, field.name());
    if (field.is_repeated()) {
      CollectEntries(message, field, field_path, values);
      continue;
    }
    if (!message.GetReflection()->HasField(message, &field)) continue;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Collect(message.GetReflection()->GetMessage(message, &field), field_path, values);
    } else {
      (*values)[field_path] = ValueText(field, message);
    }
  }
}

FixedValues FixedValuesOf(const v1::Config& config) {
  FixedValues values;
  Collect(config, "", &values);
  return values;
}

// FNV-1a, 64 bits: tells accidental differences apart, which is all that is asked of it.
uint64_t Hash(const std::string& text) {
  uint64_t hash = 14695981039346656037ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

std::string ValueOr(const FixedValues& values, const std::string& path) {
  const auto found = values.find(path);
  return found == values.end() ? "absent" : found->second;
}

}  // namespace

std::string ConfigFingerprint(const v1::Config& config) {
  const std::string text = absl::StrJoin(FixedValuesOf(config), "\n", absl::PairFormatter("="));
  return absl::StrCat(absl::Hex(Hash(text), absl::kZeroPad16));
}

absl::Status CheckMayResume(const v1::Config& saved, const v1::Config& now) {
  const FixedValues before = FixedValuesOf(saved);
  const FixedValues after = FixedValuesOf(now);
  std::set<std::string> paths;
  for (const auto& [path, value] : before) paths.insert(path);
  for (const auto& [path, value] : after) paths.insert(path);
  ConfigErrors differences;
  for (const std::string& path : paths) {
    const std::string old_value = ValueOr(before, path);
    const std::string new_value = ValueOr(after, path);
    if (old_value != new_value) {
      differences.Add(
          "", path,
          absl::StrCat("was ", old_value, " and cannot become ", new_value, " on --resume"));
    }
  }
  if (differences.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(differences.ToStatus().message());
}

}  // namespace tpo
