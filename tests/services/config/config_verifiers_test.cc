// Sections `verifiers` and `verification`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

RunSpec SpecOf(const std::string& more) {
  const auto config = ParseLeastAnd(more);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? ToRunSpec(*config) : RunSpec();
}

std::string Refusal(const std::string& more) { return ErrorOf(ParseLeastAnd(more)); }

TEST(ConfigVerifiersTest, TheShortFormHasTheDefaults) {
  const RunSpec spec = SpecOf("verifiers: [{address: 'a:1', deadline_seconds: 1.5}]\n");
  ASSERT_EQ(spec.verifiers.size(), 1U);
  VerifierSpec expected;
  expected.address = "a:1";
  expected.deadline = absl::Milliseconds(1500);
  EXPECT_EQ(spec.verifiers[0], expected);
  EXPECT_EQ(spec.verification.combination, ScoreCombination::kWeightedSum);
  EXPECT_EQ(spec.verification.max_attempts, 4);
  EXPECT_EQ(spec.verification.attempt_time, absl::ZeroDuration());
  EXPECT_EQ(spec.verification.max_in_flight, 64);
  EXPECT_EQ(spec.verification.hedge_quantile, 0.95);
  EXPECT_EQ(spec.verification.max_hedge_fraction, 0.05);
  EXPECT_EQ(spec.verification.breaker_failures, 5);
  EXPECT_EQ(spec.verification.breaker_open_time, absl::Seconds(1));
}

TEST(ConfigVerifiersTest, EverythingThatCanBeSaid) {
  const RunSpec spec = SpecOf(
      "verifiers:\n"
      "  - addresses: ['a:1', 'b:2', 'c:3']\n"
      "    name: math\n"
      "    tasks: [math/*, proof]\n"
      "    weight: 0.25\n"
      "    tls: {ca: ca.pem, certificate: me.pem, key: me.key}\n"
      "  - {address: 'g:1', role: gate}\n"
      "verification:\n"
      "  combine: weighted_sum\n"
      "  max_attempts: 7\n"
      "  attempt_seconds: 3\n"
      "  max_in_flight: 9\n"
      "  backoff: {first_seconds: 0.5, longest_seconds: 2}\n"
      "  hedge: {quantile: 0.9, max_extra_fraction: 0.2}\n"
      "  circuit_breaker: {failures: 3, failure_ratio: 0.25, open_seconds: 4}\n");
  ASSERT_EQ(spec.verifiers.size(), 2U);
  const VerifierSpec& math = spec.verifiers[0];
  EXPECT_EQ(math.address, "a:1");
  EXPECT_THAT(math.further_addresses, ElementsAre("b:2", "c:3"));
  EXPECT_EQ(math.name, "math");
  EXPECT_THAT(math.tasks, ElementsAre("math/*", "proof"));
  EXPECT_EQ(math.role, VerifierRole::kScore);
  EXPECT_EQ(math.weight, 0.25);
  EXPECT_EQ(math.tls, (VerifierTlsFiles{"ca.pem", "me.pem", "me.key"}));
  EXPECT_EQ(spec.verifiers[1].role, VerifierRole::kGate);
  EXPECT_FALSE(spec.verifiers[1].tls.has_value());
  EXPECT_EQ(spec.verification.max_attempts, 7);
  EXPECT_EQ(spec.verification.attempt_time, absl::Seconds(3));
  EXPECT_EQ(spec.verification.max_in_flight, 9);
  EXPECT_EQ(spec.verification.first_pause, absl::Milliseconds(500));
  EXPECT_EQ(spec.verification.longest_pause, absl::Seconds(2));
  EXPECT_EQ(spec.verification.hedge_quantile, 0.9);
  EXPECT_EQ(spec.verification.max_hedge_fraction, 0.2);
  EXPECT_EQ(spec.verification.breaker_failures, 3);
  EXPECT_EQ(spec.verification.breaker_failure_ratio, 0.25);
  EXPECT_EQ(spec.verification.breaker_open_time, absl::Seconds(4));
  EXPECT_EQ(SpecOf("verifiers: [{address: 'a:1'}]\nverification: {combine: product}\n")
                .verification.combination,
            ScoreCombination::kProduct);
}

TEST(ConfigVerifiersTest, AnAddressOrAddresses) {
  EXPECT_THAT(Refusal("verifiers:\n  - {name: x}\n"),
              StartsWith("run.yaml:8: verifiers[0]: needs address, or addresses"));
  EXPECT_THAT(Refusal("verifiers:\n  - address: a:1\n    addresses: ['b:1']\n"),
              StartsWith("run.yaml:9: verifiers[0].addresses: cannot be given together"));
  EXPECT_THAT(Refusal("verifiers:\n  - addresses:\n    - a:1\n    - nowhere\n"),
              StartsWith("run.yaml:10: verifiers[0].addresses[1]: \"nowhere\" is not HOST:PORT"));
  EXPECT_THAT(Refusal("verifiers: [{addresses: ['a:1', 'a:1']}]\n"),
              HasSubstr("verifiers[0].addresses[1]: \"a:1\" is there twice"));
}

TEST(ConfigVerifiersTest, NamesDiffer) {
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1'}, {address: 'a:1'}]\n"),
              HasSubstr("verifiers[1]: \"a:1\" is the name of verifiers[0] already"));
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1'}, {address: 'b:1', name: 'a:1'}]\n"),
              HasSubstr("verifiers[1].name: \"a:1\" is the name of verifiers[0] already"));
  EXPECT_EQ(
      SpecOf("verifiers: [{address: 'a:1'}, {address: 'a:1', name: second}]\n").verifiers.size(),
      2U);
}

TEST(ConfigVerifiersTest, WeightsHaveAMeaningOnlyInASum) {
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1'}, {address: 'b:1', role: gate, weight: 2}]\n"),
              HasSubstr("verifiers[1].weight: a gate has no weight"));
  EXPECT_THAT(
      Refusal("verifiers: [{address: 'a:1', weight: 2}]\nverification: {combine: product}\n"),
      HasSubstr("verifiers[0].weight: scores that are multiplied have no weights"));
}

TEST(ConfigVerifiersTest, SomethingScores) {
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1', role: gate}]\n"),
              StartsWith("run.yaml:7: verifiers: are all gates"));
}

TEST(ConfigVerifiersTest, TasksAndTlsAreWhole) {
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1', tasks: ['a*b']}]\n"),
              HasSubstr("verifiers[0].tasks[0]: \"a*b\" is no task"));
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1', tasks: ['']}]\n"),
              HasSubstr("verifiers[0].tasks[0]: \"\" is no task"));
  EXPECT_THAT(Refusal("verifiers: [{address: 'a:1', tls: {key: me.key}}]\n"),
              HasSubstr("verifiers[0].tls: certificate and key go together"));
}

TEST(ConfigVerifiersTest, RangesOfVerification) {
  EXPECT_THAT(Refusal("verification: {max_attempts: 0}\n"), HasSubstr("must be at least 1"));
  EXPECT_THAT(Refusal("verification: {hedge: {quantile: 1}}\n"), HasSubstr("below 1"));
  EXPECT_THAT(Refusal("verification: {circuit_breaker: {open_seconds: 0}}\n"),
              HasSubstr("must be above 0"));
  EXPECT_THAT(Refusal("verification: {backoff: {first_seconds: 5}}\n"),
              HasSubstr("verification.backoff.longest_seconds: 1 is below first_seconds (5)"));
}

}  // namespace
}  // namespace tpo
