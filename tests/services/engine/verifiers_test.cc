#include "services/engine/verifiers.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tpo/v1/config.pb.h"

namespace tpo {
namespace {

RunSpec SpecWithHttpVerifier(int max_connections) {
  v1::ServedVerifierConfig verifier;
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

TEST(OwnVerifier, OfAnotherVersionIsRefused) {
  RunSpec spec;
  spec.own_verifier = "\xff";
  EXPECT_EQ(OwnVerifierServiceOptions(spec).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(OwnVerifierClientOptions(spec).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tpo
