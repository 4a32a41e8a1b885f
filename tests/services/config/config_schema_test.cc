// The schema keeps its own rules, and the reference page is its text.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "google/protobuf/dynamic_message.h"
#include "services/config/config.h"
#include "services/config/field_schema.h"

namespace tpo {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void ForEachField(const Descriptor& type,
                  const std::function<void(const FieldDescriptor&)>& visit) {
  for (int i = 0; i < type.field_count(); ++i) {
    visit(*type.field(i));
    if (type.field(i)->message_type() != nullptr)
      ForEachField(*type.field(i)->message_type(), visit);
  }
}

const Descriptor& Schema() { return *v1::Config::descriptor(); }

bool Accepts(const FieldDescriptor& field, const std::string& text) {
  DynamicMessageFactory factory;
  const std::unique_ptr<Message> message(factory.GetPrototype(field.containing_type())->New());
  return SetFromText(field, text, false, message.get()).ok();
}

TEST(ConfigSchemaTest, EveryFieldHasHelpAndKnowsWhetherItIsGiven) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    EXPECT_TRUE(RuleOf(field).help().ends_with(".")) << field.full_name();
    EXPECT_TRUE(field.is_repeated() || field.has_presence()) << field.full_name();
  });
}

TEST(ConfigSchemaTest, EveryValueIsRequiredOrHasOneDefaultOrMayBeAbsent) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    const v1::FieldRule& rule = RuleOf(field);
    // A section has none, and a list may be empty.
    const bool needs_one = field.is_repeated()
                               ? rule.required()
                               : field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE;
    const int sources = (rule.required() ? 1 : 0) + (rule.default_value().empty() ? 0 : 1) +
                        (rule.default_formula().empty() ? 0 : 1) + (rule.may_be_absent() ? 1 : 0);
    EXPECT_EQ(sources, needs_one ? 1 : 0) << field.full_name();
    // Only text can say by itself that there is none.
    EXPECT_TRUE(!rule.may_be_absent() || field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
        << field.full_name();
  });
}

TEST(ConfigSchemaTest, EveryDefaultIsAcceptedByItsOwnField) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    const v1::FieldRule& rule = RuleOf(field);
    if (!rule.default_value().empty()) {
      EXPECT_TRUE(Accepts(field, rule.default_value())) << field.full_name();
    }
    if (!rule.default_for_dataset().empty()) {
      EXPECT_TRUE(Accepts(field, rule.default_for_dataset())) << field.full_name();
      EXPECT_FALSE(rule.default_value().empty()) << field.full_name();
      EXPECT_TRUE(rule.default_for().empty()) << field.full_name();
    }
    for (const v1::ObjectiveDefault& special : rule.default_for()) {
      EXPECT_TRUE(Accepts(field, special.value())) << field.full_name();
      for (const std::string& objective : special.objectives()) {
        EXPECT_TRUE(
            Accepts(*v1::LearnerConfig::descriptor()->FindFieldByName("objective"), objective))
            << field.full_name() << " " << objective;
      }
    }
  });
}

TEST(ConfigSchemaTest, ListsHoldSectionsStringsOrNames) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    if (!field.is_repeated()) return;
    EXPECT_TRUE(field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
                field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
                field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
        << field.full_name();
  });
}

TEST(ConfigSchemaTest, FormulasPointAtNumbersWithPlainDefaults) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    if (RuleOf(field).default_formula().empty()) return;
    const std::vector<std::string> parts = absl::StrSplit(RuleOf(field).default_formula(), " * ");
    ASSERT_EQ(parts.size(), 2U) << field.full_name();
    const Descriptor* type = &Schema();
    const FieldDescriptor* target = nullptr;
    for (const std::string& name : std::vector<std::string>(absl::StrSplit(parts[1], '.'))) {
      ASSERT_NE(type, nullptr) << field.full_name();
      target = type->FindFieldByName(name);
      ASSERT_NE(target, nullptr) << field.full_name() << " " << name;
      type = target->message_type();
    }
    EXPECT_TRUE(RuleOf(*target).default_formula().empty()) << field.full_name();
    EXPECT_TRUE(RuleOf(*target).default_for().empty()) << field.full_name();
  });
}

TEST(ConfigSchemaTest, EveryNumberHasARange) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    const v1::FieldRule& rule = RuleOf(field);
    const bool number = field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 ||
                        field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
                        field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE;
    if (!number) return;
    EXPECT_NE(rule.has_at_least(), rule.has_above()) << field.full_name();
    EXPECT_NE(rule.has_at_most(), rule.has_below()) << field.full_name();
  });
}

TEST(ConfigSchemaTest, EveryEnumerationValueHasHelpAndAPlainName) {
  ForEachField(Schema(), [](const FieldDescriptor& field) {
    if (field.enum_type() == nullptr) return;
    for (int i = 1; i < field.enum_type()->value_count(); ++i) {
      const auto& value = *field.enum_type()->value(i);
      EXPECT_FALSE(value.options().GetExtension(v1::value).help().empty()) << value.full_name();
      EXPECT_TRUE(Accepts(field, YamlName(value))) << value.full_name();
    }
    EXPECT_EQ(field.enum_type()->value(0)->number(), 0);
  });
}

TEST(ConfigSchemaTest, TheReferencePageIsUpToDate) {
  std::ifstream file("docs/config.md");
  std::stringstream page;
  page << file.rdbuf();
  EXPECT_EQ(page.str(), ConfigReference()) << "run: tpo validate --reference > docs/config.md";
}

TEST(ConfigSchemaTest, TheReferenceShowsTypeRangeDefaultAndHelp) {
  const std::string page = ConfigReference();
  for (const char* line :
       {"| `epochs` | whole number, at least 1 and at most 1000 | 4; 1 with dg | Optimizer updates",
        "| `steps` † | whole number",
        "| `vocab_size` | whole number, at least 2 and at most 1000000 | *required* |",
        "4 \\* model.transformer.d_model", "<br>`reverse_copy`: the prompt backwards"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace tpo
