// Any text as a completion, and any reference, pattern or schema, for the verifiers of
// verifier/rules and verifier/reasoning_gym: a verdict is a finite score or has a reason, and the
// same request gets the same verdicts.
//
// The first byte chooses the verifier; then two pieces (FuzzInput::Piece): what the prompt or the
// config brings, and the completion.
#include <cmath>
#include <memory>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "verifier/reasoning_gym/graph_coloring_verifier.h"
#include "verifier/reasoning_gym/knights_knaves_verifier.h"
#include "verifier/rules/answer_tag_verifier.h"
#include "verifier/rules/format_verifier.h"
#include "verifier/rules/gsm8k_verifier.h"
#include "verifier/rules/json_schema_verifier.h"
#include "verifier/rules/length_verifier.h"
#include "verifier/rules/numeric_verifier.h"
#include "verifier/rules/regex_verifier.h"

namespace tpo {
namespace {

using Made = absl::StatusOr<std::unique_ptr<VerifierApi>>;

Made MakeOne(int which, const std::string& given) {
  switch (which) {
    case 0:
      return MakeNumericVerifier({.number = NumberChoice::kLast,
                                  .absolute_tolerance = 0.5,
                                  .relative_tolerance = 0.01,
                                  .syntax = {.thousands_separators = true, .percent = true}});
    case 1:
      return MakeNumericVerifier({.number = NumberChoice::kWholeText});
    case 2:
      return MakeGsm8kVerifier(Gsm8kAnswer::kFlexible);
    case 3:
      return MakeRegexVerifier({.pattern = given});
    case 4:
      return MakeRegexVerifier({.pattern = given, .compare_group = 0, .ignore_case = true});
    case 5:
      return MakeFormatVerifier({.tags = {"think", "answer"}, .partial_credit = true});
    case 6:
      return MakeLengthVerifier({.unit = LengthUnit::kCharacters, .from = 3, .to = 30});
    case 7:
      return MakeJsonSchemaVerifier({.metadata_field = "given", .max_steps = 20'000});
    case 8:
      return MakeGraphColoringVerifier({.puzzle_field = "given"});
    case 9:
      return MakeKnightsKnavesVerifier({});
    default:
      return MakeAnswerTagVerifier("a", MakeGsm8kVerifier(Gsm8kAnswer::kStrict));
  }
}

}  // namespace
}  // namespace tpo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tpo::FuzzInput input(data, size);
  const int which = input.Byte() % 11;
  const std::string given(input.Piece());
  const tpo::Made verifier = tpo::MakeOne(which, given);
  if (!verifier.ok()) {
    tpo::Require(!verifier.status().message().empty(), "a refusal has a reason");
    return 0;
  }
  tpo::VerifyRequest request;
  request.prompt.reference_answer = given;
  request.prompt.metadata["given"] = given;
  request.completions.resize(2);
  request.completions[0].text = std::string(input.Piece());
  request.completions[1].text = std::string(input.Rest());
  const auto verdicts = (*verifier)->Verify(request);
  tpo::Require(verdicts.ok(), "whatever the texts are, each has a verdict");
  tpo::Require(verdicts->size() == 2, "one verdict for each");
  for (const tpo::Verdict& verdict : *verdicts) {
    const bool scored = verdict.kind == tpo::VerdictKind::kScored;
    tpo::Require(!scored || std::isfinite(verdict.score), "a score is finite");
    tpo::Require(scored || !verdict.reason.empty(), "no score has a reason");
  }
  tpo::Require(*verdicts == *(*verifier)->Verify(request), "the same verdicts again");
  return 0;
}
