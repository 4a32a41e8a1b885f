// From the config's section to verifiers.
#include "services/verifier_server/verifier_factory.h"

#include <string>

#include "services/config/config.h"
#include "tests/core/core_test_support.h"

namespace tpo {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

absl::StatusOr<std::unique_ptr<VerifierRegistry>> Make(const std::string& verifiers) {
  return MakeVerifiers(
      ParseVerifierService("verifier_service: {verifiers: " + verifiers + "}", "judge.yaml")
          .value());
}

double ScoreOf(VerifierRegistry* verifiers, const std::string& task, const std::string& answer) {
  VerifyRequest request;
  request.prompt.task = task;
  request.prompt.reference_answer = "Bern";
  request.completions = {MakeCompletion({1}, 0)};
  request.completions[0].text = answer;
  const auto verdicts = verifiers->Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  return verdicts->front().score;
}

TEST(VerifierFactoryTest, ServesWhatIsBuiltInByDefault) {
  const auto verifiers = Make("[]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, testing::Contains("sequence/*"));
  EXPECT_THAT((*verifiers)->Describe()->tasks, testing::Contains("exact_match/*"));
}

TEST(VerifierFactoryTest, ServesWhatIsNamedAndNothingElse) {
  const auto verifiers = Make(
      "[{tasks: [loose], exact_match: {ignore_case: true}},"
      " {tasks: [strict], exact_match: {}},"
      " {tasks: [marked], exact_match: {after: \"=\"}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, UnorderedElementsAre("loose", "strict", "marked"));
  EXPECT_EQ(ScoreOf(verifiers->get(), "loose", "bern"), 1);
  EXPECT_EQ(ScoreOf(verifiers->get(), "strict", "bern"), 0);
  EXPECT_EQ(ScoreOf(verifiers->get(), "marked", "it is = Bern"), 1);
}

TEST(VerifierFactoryTest, EachKindHasItsOwnTasks) {
  const auto verifiers = Make("[{exact_match: {}}, {sequence: {}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  EXPECT_THAT((*verifiers)->Describe()->tasks, ElementsAre("exact_match/*", "sequence/*"));
}

TEST(VerifierFactoryTest, GivesTheMathVerifierItsSettings) {
  const auto verifiers =
      Make("[{tasks: [easy], math: {}}, {tasks: [tiny], math: {max_answer_bytes: 16}}]");
  ASSERT_TRUE(verifiers.ok()) << verifiers.status();
  VerifyRequest request;
  request.prompt.reference_answer = "\\frac{1}{2} + 0 + 0 + 0 + 0";
  request.completions = {MakeCompletion({1}, 0)};
  request.completions[0].text = "\\boxed{0.5}";
  request.prompt.task = "easy";
  EXPECT_EQ((*verifiers)->Verify(request).value()[0].kind, VerdictKind::kScored);
  request.prompt.task = "tiny";
  EXPECT_EQ((*verifiers)->Verify(request).value()[0].kind, VerdictKind::kAbstained)
      << "the reference is longer than what is read";
}

TEST(VerifierFactoryTest, RefusesACodeVerifierWithoutItsHelper) {
  EXPECT_THAT(
      Make("[{code: {helper: /nowhere/tpo-sandbox}}]"),
      HoldsStatus(absl::StatusCode::kFailedPrecondition, "verifier_service.verifiers[0]: "));
}

TEST(VerifierFactoryTest, NamesTheEntryAtFault) {
  EXPECT_THAT(Make("[{exact_match: {}}, {tasks: [\"exact_match/*\"], exact_match: {}}]"),
              HoldsStatus(absl::StatusCode::kAlreadyExists, "verifier_service.verifiers[1]: "));
}

TEST(VerifierFactoryTest, KeepsTheConnectionsOfHttpVerifiersBusy) {
  const auto few = ParseVerifierService("verifier_service: {}", "");
  const auto many = ParseVerifierService(
      "verifier_service: {verifiers: [{tasks: [\"*\"], http: {url: \"http://127.0.0.1:1\", "
      "shape: slime, max_connections: 999}}]}",
      "");
  ASSERT_TRUE(few.ok() && many.ok()) << many.status();
  EXPECT_GE(DefaultConcurrentGroups(*few), 1);
  EXPECT_EQ(DefaultConcurrentGroups(*many), 999);
}

}  // namespace
}  // namespace tpo
