// Section verifier_service, in a file of its own and in a run's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "google/protobuf/util/message_differencer.h"
#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kSection[] =
    "verifier_service:\n"
    "  max_concurrent_groups: 8\n"
    "  verifiers:\n"
    "    - {tasks: [gsm8k, \"aime/*\"], math: {}}\n"
    "    - tasks: [capitals]\n"
    "      exact_match: {ignore_case: true, after: \"####\"}\n"
    "    - code: {interpreter: [python3, -I], required_layers: [seccomp, landlock]}\n"
    "    - {tasks: [\"*\"], http: {url: \"http://127.0.0.1:8000/score\", shape: nemo_gym}}\n";

absl::StatusOr<v1::VerifierServiceConfig> Parse(const std::string& text) {
  return ParseVerifierService(text, "judge.yaml");
}

std::string RefusalOf(const std::string& text) {
  const auto section = Parse(text);
  EXPECT_FALSE(section.ok());
  return std::string(section.status().message());
}

// A section with one verifier, on line 3.
std::string WithVerifier(const std::string& verifier) {
  return "verifier_service:\n  verifiers:\n    - " + verifier + "\n";
}

TEST(ConfigVerifierServiceTest, StandsAloneWithItsDefaults) {
  const auto section = Parse(kSection);
  ASSERT_TRUE(section.ok()) << section.status();
  EXPECT_EQ(section->max_concurrent_groups(), 8);
  EXPECT_EQ(section->max_waiting_groups(), 256);
  ASSERT_EQ(section->verifiers_size(), 4);
  EXPECT_THAT(section->verifiers(0).tasks(), ElementsAre("gsm8k", "aime/*"));
  EXPECT_GT(section->verifiers(0).math().max_steps(), 0);
  EXPECT_TRUE(section->verifiers(1).exact_match().ignore_case());
  EXPECT_TRUE(section->verifiers(1).exact_match().strip_whitespace());
  EXPECT_EQ(section->verifiers(1).exact_match().after(), "####");
  EXPECT_THAT(section->verifiers(2).code().interpreter(), ElementsAre("python3", "-I"));
  EXPECT_EQ(section->verifiers(2).code().required_layers_size(), 2);
  EXPECT_EQ(section->verifiers(3).http().shape(), v1::HTTP_SHAPE_NEMO_GYM);
}

TEST(ConfigVerifierServiceTest, StandsInARunsConfigToo) {
  const auto run = ParseLeastAnd(kSection);
  ASSERT_TRUE(run.ok()) << run.status();
  const auto section = ParseVerifierService(std::string(kLeast) + kSection, "run.yaml");
  ASSERT_TRUE(section.ok()) << section.status();
  EXPECT_TRUE(MessageDifferencer::Equals(*section, run->verifier_service()));
  EXPECT_TRUE(MessageDifferencer::Equals(*section, *Parse(kSection)));
}

TEST(ConfigVerifierServiceTest, ARunWithoutItServesTheBuiltInVerifiers) {
  const auto section = ParseVerifierService(kLeast, "run.yaml");
  ASSERT_TRUE(section.ok()) << section.status();
  EXPECT_EQ(section->verifiers_size(), 0);
  EXPECT_EQ(section->max_waiting_groups(), 256);
}

TEST(ConfigVerifierServiceTest, ListsRoundTrip) {
  const auto run = ParseLeastAnd(kSection);
  ASSERT_TRUE(run.ok()) << run.status();
  const auto again = ParseConfig(ToYaml(*run), "resolved.yaml", {});
  ASSERT_TRUE(again.ok()) << again.status() << ToYaml(*run);
  EXPECT_TRUE(MessageDifferencer::Equals(*run, *again)) << ToYaml(*again);
}

TEST(ConfigVerifierServiceTest, DoesNotDecideWhatARunComputes) {
  EXPECT_EQ(ConfigFingerprint(*ParseLeastAnd(kSection)), ConfigFingerprint(*ParseLeastAnd("")));
}

TEST(ConfigVerifierServiceTest, AFileWithMoreIsCheckedWhole) {
  EXPECT_THAT(RefusalOf(std::string(kSection) + "seed: 1\n"), HasSubstr("task"));
  EXPECT_THAT(RefusalOf("verifier_service: {}\nlearner: {}\n"), HasSubstr("task"));
  EXPECT_THAT(RefusalOf("verifer_service: {}\n"), HasSubstr("did you mean verifier_service"));
}

TEST(ConfigVerifierServiceTest, RefusesWithFileLineAndField) {
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [x]}")),
              HasSubstr("judge.yaml:3: verifier_service.verifiers[0]: is missing; give it one of"));
  EXPECT_THAT(RefusalOf(WithVerifier("{exact_match: {}, math: {}}")),
              HasSubstr("verifiers[0].math: cannot be given together with"));
  EXPECT_THAT(RefusalOf(WithVerifier("{exact_match: {casing: no}}")), HasSubstr("is no field"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: x, math: {}}")),
              HasSubstr("judge.yaml:3: verifier_service.verifiers[0].tasks: expected a list"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [x, {y: z}], math: {}}")),
              HasSubstr("verifiers[0].tasks[1]: expected a value"));
  EXPECT_THAT(RefusalOf(WithVerifier("{code: {required_layers: [moat]}}")),
              HasSubstr("required_layers[0]: \"moat\" is none of seccomp"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [x], http: {shape: slime}}")),
              HasSubstr("http.url: is missing"));
}

TEST(ConfigVerifierServiceTest, RefusesTasksThatCannotBe) {
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [\"\"], math: {}}")),
              HasSubstr("tasks[0]: is empty"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [\"a*b\"], math: {}}")),
              HasSubstr("only a trailing *"));
  EXPECT_THAT(
      RefusalOf(WithVerifier("{tasks: [x], math: {}}\n    - {tasks: [x], exact_match: {}}")),
      HasSubstr("judge.yaml:4: verifier_service.verifiers[1].tasks[0]: \"x\" is claimed by "
                "verifier_service.verifiers[0].tasks[0], too"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [x], sequence: {}}")), HasSubstr("sequence/*"));
  EXPECT_THAT(RefusalOf(WithVerifier("{http: {url: \"http://a\", shape: slime}}")),
              HasSubstr("verifiers[0].tasks: is missing"));
  EXPECT_THAT(RefusalOf(WithVerifier("{tasks: [x], http: {url: a.example.org, shape: slime}}")),
              HasSubstr("neither http:// nor https://"));
}

TEST(ConfigVerifierServiceTest, RefusesRulesThatCannotBe) {
  const auto refused = [](const std::string& verifier, const char* why) {
    EXPECT_THAT(RefusalOf(WithVerifier("{" + verifier + "}")), HasSubstr(why)) << verifier;
  };
  refused("regex: {}", "judge.yaml:3: verifier_service.verifiers[0].regex.pattern: is missing");
  refused("regex: {pattern: a, compare_group: 0, invert: true}", "regex.invert: cannot be given");
  refused("regex: {pattern: a, compare_group: -2}", "regex.compare_group: -2 is out of range");
  refused("numeric: {absolute_tolerance: -1}", "numeric.absolute_tolerance: -1 is out of range");
  refused("numeric: {number: third}", "\"third\" is none of first, last, whole_text");
  refused("format: {}", "format.tags: is missing");
  refused("length: {}", "verifiers[0].length: is missing; give it one of linear, soft_overlong");
  refused("length: {linear: {from: 5, to: 5}}", "length.linear.to: 5 is not above from (5)");
  refused("length: {soft_overlong: {max_length: 5, cache: 6}}",
          "length.soft_overlong.cache: 6 is above max_length (5)");
  refused("json_schema: {}",
          "json_schema: needs exactly one of schema, schema_file and schema_field");
  refused("json_schema: {schema: \"true\", schema_field: s}", "json_schema: needs exactly one of");
  refused("composite: {}", "composite.parts: is missing");
  refused("composite: {parts: [{name: x}]}", "composite.parts[0]: is missing; give it one of");
  refused("composite: {parts: [{role: gate, numeric: {}}]}", "composite.parts: are all gates");
  refused("composite: {parts: [{numeric: {}}, {numeric: {}}]}",
          "composite.parts[1]: \"numeric\" is the name of "
          "verifier_service.verifiers[0].composite.parts[0] already");
  refused("composite: {parts: [{numeric: {}}, {name: numeric, math: {}}]}",
          "composite.parts[1].name: \"numeric\" is the name of");
  refused("composite: {parts: [{math: {}}, {role: gate, weight: 2, numeric: {}}]}",
          "composite.parts[1].weight: a gate has no weight");
  refused("composite: {combine: product, parts: [{weight: 2, numeric: {}}]}",
          "composite.parts[0].weight: scores that are multiplied have no weights");
  refused("composite: {parts: [{http: {url: a.example.org, shape: slime}}]}",
          "parts[0].http.url: \"a.example.org\" begins with neither");
  refused("composite: {parts: [{composite: {}}]}", "is no field");
}

TEST(ConfigVerifierServiceTest, RulesRoundTrip) {
  const auto run = ParseLeastAnd(
      "verifier_service:\n"
      "  verifiers:\n"
      "    - {tasks: [a], answer_tag: answer, regex: {pattern: '(\\d+)\"', compare_group: 1}}\n"
      "    - {json_schema: {schema: '{\"type\": \"object\"}'}}\n"
      "    - composite:\n"
      "        combine: product\n"
      "        parts:\n"
      "          - {name: right, gsm8k: {answer: flexible}}\n"
      "          - {role: gate, format: {tags: [think, answer]}}\n"
      "          - {length: {soft_overlong: {max_length: 100, cache: 20}}}\n");
  ASSERT_TRUE(run.ok()) << run.status();
  const auto& composite = run->verifier_service().verifiers(2).composite();
  EXPECT_EQ(composite.parts(1).role(), v1::VERIFIER_ROLE_GATE);
  EXPECT_EQ(composite.parts(1).weight(), 1);
  EXPECT_EQ(composite.parts(2).length().unit(), v1::LENGTH_UNIT_TOKENS);
  const auto again = ParseConfig(ToYaml(*run), "resolved.yaml", {});
  ASSERT_TRUE(again.ok()) << again.status() << ToYaml(*run);
  EXPECT_TRUE(MessageDifferencer::Equals(*run, *again)) << ToYaml(*again);
}

TEST(ConfigServedVerifierTest, IsTheSameInItsWireForm) {
  const auto section =
      Parse(WithVerifier("composite: {parts: [{numeric: {}}, {role: gate, regex: {pattern: a}}]}"));
  ASSERT_TRUE(section.ok()) << section.status();
  const auto again = ParseServedVerifier(section->verifiers(0).SerializeAsString());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(MessageDifferencer::Equals(section->verifiers(0), *again));
}

TEST(ConfigServedVerifierTest, GetsItsDefaults) {
  v1::ServedVerifierConfig sent;
  sent.mutable_exact_match();
  const auto verifier = ParseServedVerifier(sent.SerializeAsString());
  ASSERT_TRUE(verifier.ok()) << verifier.status();
  EXPECT_TRUE(verifier->exact_match().strip_whitespace());
}

// Why a verifier is refused in its wire form.
std::string RefusalOf(const v1::ServedVerifierConfig& verifier) {
  return std::string(ParseServedVerifier(verifier.SerializeAsString()).status().message());
}

TEST(ConfigServedVerifierTest, RefusesInItsWireFormWhatNoFileMayHold) {
  EXPECT_THAT(ParseServedVerifier("\xff").status().message(), HasSubstr("isn't understood"));
  EXPECT_THAT(RefusalOf(v1::ServedVerifierConfig()),
              HasSubstr("task.dataset.verifier: is missing; give it one of sequence, "));

  v1::ServedVerifierConfig composite;
  composite.mutable_composite()->add_parts()->mutable_numeric();
  composite.mutable_composite()->add_parts()->set_name("of a kind that this version lacks");
  EXPECT_THAT(RefusalOf(composite),
              HasSubstr("task.dataset.verifier.composite.parts[1]: is missing; give it one of "));

  v1::ServedVerifierConfig http;
  http.mutable_http()->set_url("http://127.0.0.1:1");
  EXPECT_THAT(RefusalOf(http), HasSubstr("http.shape: is missing"));
  http.mutable_http()->set_shape(static_cast<v1::HttpShape>(77));
  EXPECT_THAT(RefusalOf(http), HasSubstr("http.shape: value 77 is none of "));
  http.mutable_http()->set_shape(v1::HTTP_SHAPE_SLIME);
  EXPECT_EQ(RefusalOf(http), "");
  http.mutable_http()->set_max_connections(-1);
  EXPECT_THAT(RefusalOf(http), HasSubstr("http.max_connections: -1 is out of range"));
  http.mutable_http()->clear_max_connections();
  http.mutable_http()->set_url("file:///etc/passwd");
  EXPECT_THAT(RefusalOf(http), HasSubstr("begins with neither http:// nor https://"));

  v1::ServedVerifierConfig code;
  code.mutable_code()->add_required_layers(static_cast<v1::SandboxLayer>(77));
  EXPECT_THAT(RefusalOf(code), HasSubstr("code.required_layers: value 77 is none of "));

  v1::ServedVerifierConfig numeric;
  numeric.mutable_numeric()->set_absolute_tolerance(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(RefusalOf(numeric),
              HasSubstr("numeric.absolute_tolerance: nan is not a finite number"));
}

}  // namespace
}  // namespace tpo
