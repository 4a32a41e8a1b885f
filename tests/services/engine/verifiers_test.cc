#include "services/engine/verifiers.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tpo/v1/config.pb.h"

namespace tpo {
namespace {

RunSpec SpecWithHttpVerifier(int max_connections) {
  v1::ServedVerifierConfig verifier;
  verifier.mutable_http()->set_url("http://127.0.0.1:1");
  verifier.mutable_http()->set_shape(v1::HTTP_SHAPE_SLIME);
  verifier.mutable_http()->set_max_connections(max_connections);
  RunSpec spec;
  spec.own_verifier = verifier.SerializeAsString();
  return spec;
}

TEST(OwnVerifier, HasHalfOfALeaseForAGroup) {
  RunSpec spec;
  for (const absl::Duration lease : {absl::Seconds(3), absl::Minutes(10)}) {
    spec.learner.lease_time_to_live = lease;
    EXPECT_EQ(OwnVerifierClientOptions(spec).value().deadline, lease / 2);
  }
}

TEST(OwnVerifier, IsAskedAboutAsManyGroupsAtATimeAsKeepItBusy) {
  EXPECT_GE(OwnVerifierServiceOptions(RunSpec()).value().threads, 1);
  const RunSpec spec = SpecWithHttpVerifier(999);
  EXPECT_EQ(OwnVerifierServiceOptions(spec).value().threads, 999);
  EXPECT_EQ(OwnVerifierClientOptions(spec).value().max_in_flight, 999);
}

TEST(OwnVerifier, TakesTheLargestGroupOfTheRun) {
  RunSpec spec;
  for (const int completions : {8, 65536}) {
    spec.rollout.sampling.completions_per_prompt = completions;
    EXPECT_GE(OwnVerifierServiceOptions(spec).value().max_completions, completions);
  }
}

TEST(OwnVerifier, OfAnotherVersionIsRefused) {
  RunSpec spec;
  spec.own_verifier = "\xff";
  EXPECT_EQ(OwnVerifierServiceOptions(spec).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OwnVerifierClientOptions(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(OwnVerifier, WithAPartOfAKindThatIsNotKnownIsRefused) {
  v1::ServedVerifierConfig verifier;
  verifier.mutable_composite()->add_parts()->mutable_numeric();
  // Field 99, as a later version may have it.
  ASSERT_TRUE(verifier.mutable_composite()->add_parts()->ParseFromString({"\x9a\x06\x00", 3}));
  RunInfo run;
  run.own_verifier = verifier.SerializeAsString();
  const absl::Status status = MakeVerifier(run, /*allow_remote_plaintext=*/false).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("task.dataset.verifier.composite.parts[1]"),
            absl::string_view::npos)
      << status;
}

TEST(OwnVerifier, ThatCanNotBeMadeIsNamedAsTheRunsConfigDoes) {
  v1::ServedVerifierConfig verifier;
  verifier.mutable_regex()->set_pattern("a");
  verifier.mutable_regex()->set_compare_group(1);
  RunInfo run;
  run.own_verifier = verifier.SerializeAsString();
  const absl::Status status = MakeVerifier(run, /*allow_remote_plaintext=*/false).status();
  EXPECT_EQ(status.message(),
            "task.dataset.verifier.regex.compare_group: the pattern has no group 1");
}

TEST(OwnVerifier, JudgesWithoutTheDefaultsThatAnOlderLearnerDoesNotSend) {
  v1::ServedVerifierConfig verifier;
  verifier.mutable_composite()->add_parts()->mutable_exact_match();
  RunInfo run;
  run.own_verifier = verifier.SerializeAsString();
  const auto made = MakeVerifier(run, /*allow_remote_plaintext=*/false);
  ASSERT_TRUE(made.ok()) << made.status();
  VerifyRequest request;
  request.prompt.task = "any";
  request.prompt.reference_answer = "Bern";
  Completion completion;
  completion.tokens = {1};
  completion.text = " Bern ";
  request.completions = {completion};
  const auto verdicts = (*made)->Verify(request);
  ASSERT_TRUE(verdicts.ok()) << verdicts.status();
  EXPECT_EQ(verdicts->front().score, 1);
}

}  // namespace
}  // namespace tpo
