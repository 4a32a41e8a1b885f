// Sections of the config → verifiers of verifier/rules and verifier/reasoning_gym.
#include "services/verifier_server/make_rule_verifiers.h"

#include <fstream>
#include <sstream>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "verifier/reasoning_gym/graph_coloring_verifier.h"
#include "verifier/reasoning_gym/knights_knaves_verifier.h"
#include "verifier/rules/format_verifier.h"
#include "verifier/rules/gsm8k_verifier.h"
#include "verifier/rules/json_schema_verifier.h"
#include "verifier/rules/length_verifier.h"
#include "verifier/rules/numeric_verifier.h"
#include "verifier/rules/regex_verifier.h"

namespace tpo {
namespace {

using MadeVerifier = absl::StatusOr<std::unique_ptr<VerifierApi>>;

NumberChoice ChoiceOf(v1::NumberChoice choice) {
  switch (choice) {
    case v1::NUMBER_CHOICE_FIRST:
      return NumberChoice::kFirst;
    case v1::NUMBER_CHOICE_WHOLE_TEXT:
      return NumberChoice::kWholeText;
    default:
      return NumberChoice::kLast;
  }
}

absl::StatusOr<std::string> ReadSchema(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  if (!(text << file.rdbuf()))
    return absl::NotFoundError(absl::StrCat("json_schema.schema_file: cannot read ", path));
  return text.str();
}

}  // namespace

MadeVerifier MakeRegexVerifier(const v1::RegexVerifierConfig& config) {
  return MakeRegexVerifier(RegexOptions{
      .pattern = config.pattern(),
      .full_match = config.full_match(),
      .compare_group = config.compare_group(),
      .match = config.match() == v1::MATCH_CHOICE_FIRST ? MatchChoice::kFirst : MatchChoice::kLast,
      .ignore_case = config.ignore_case(),
      .invert = config.invert()});
}

MadeVerifier MakeNumericVerifier(const v1::NumericVerifierConfig& config) {
  return MakeNumericVerifier(
      NumericOptions{.number = ChoiceOf(config.number()),
                     .absolute_tolerance = config.absolute_tolerance(),
                     .relative_tolerance = config.relative_tolerance(),
                     .syntax = {.thousands_separators = config.thousands_separators(),
                                .percent = config.percent()}});
}

MadeVerifier MakeGsm8kVerifier(const v1::Gsm8kVerifierConfig& config) {
  return MakeGsm8kVerifier(config.answer() == v1::GSM8K_ANSWER_FLEXIBLE ? Gsm8kAnswer::kFlexible
                                                                        : Gsm8kAnswer::kStrict);
}

MadeVerifier MakeFormatVerifier(const v1::FormatVerifierConfig& config) {
  return MakeFormatVerifier(FormatOptions{.tags = {config.tags().begin(), config.tags().end()},
                                          .text_outside = config.text_outside(),
                                          .opened_by_prompt = config.opened_by_prompt(),
                                          .require_content = config.require_content(),
                                          .partial_credit = config.partial_credit()});
}

MadeVerifier MakeLengthVerifier(const v1::LengthVerifierConfig& config) {
  const LengthUnit unit =
      config.unit() == v1::LENGTH_UNIT_CHARACTERS ? LengthUnit::kCharacters : LengthUnit::kTokens;
  if (config.has_soft_overlong()) {
    const v1::SoftOverlongConfig& overlong = config.soft_overlong();
    return MakeLengthVerifier(SoftOverlong(unit, overlong.max_length(), overlong.cache()));
  }
  const v1::LinearLengthConfig& linear = config.linear();
  return MakeLengthVerifier(LengthOptions{.unit = unit,
                                          .from = linear.from(),
                                          .to = linear.to(),
                                          .from_score = linear.score_from(),
                                          .to_score = linear.score_to()});
}

MadeVerifier MakeJsonSchemaVerifier(const v1::JsonSchemaVerifierConfig& config) {
  JsonSchemaOptions options{.schema = config.schema(),
                            .metadata_field = config.schema_field(),
                            .place = config.place() == v1::JSON_PLACE_WHOLE_TEXT
                                         ? JsonPlace::kWholeText
                                         : JsonPlace::kLastFence,
                            .max_steps = config.max_steps()};
  if (config.has_schema_file()) {
    TPO_ASSIGN_OR_RETURN(options.schema, ReadSchema(config.schema_file()));
  }
  return MakeJsonSchemaVerifier(options);
}

MadeVerifier MakeGraphColoringVerifier(const v1::GraphColoringVerifierConfig& config) {
  return MakeGraphColoringVerifier(GraphColoringOptions{.puzzle_field = config.puzzle_field(),
                                                        .json_score = config.json_score()});
}

MadeVerifier MakeKnightsKnavesVerifier(const v1::KnightsKnavesVerifierConfig& config) {
  return MakeKnightsKnavesVerifier(KnightsKnavesOptions{.partial_credit = config.partial_credit()});
}

}  // namespace tpo
