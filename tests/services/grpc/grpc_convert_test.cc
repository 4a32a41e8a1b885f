#include "services/grpc/convert.h"

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/duration.pb.h"
#include "gtest/gtest.h"
#include "tests/core/core_test_support.h"
#include "tpo/v1/learner.pb.h"
#include "tpo/v1/types.pb.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// To the wire's bytes and back.
template <typename Proto, typename Value>
auto RoundTrip(const Value& value) {
  Proto sent;
  ToProto(value, &sent);
  Proto received;
  EXPECT_TRUE(received.ParseFromString(sent.SerializeAsString()));
  return FromProto(received);
}

Prompt FullPrompt() {
  return Prompt{.id = 41,
                .task = "sequence/reverse_copy/terminal",
                .text = "What is it?",
                .tokens = {0, 7, 2},
                .reference_answer = "42",
                .reference_tokens = {2, 7, 0},
                .metadata = {{"source", "exam"}, {"level", "3"}}};
}

Completion FullCompletion() {
  Completion completion = MakeCompletion({5, 6}, 3);
  completion.weight_versions = {{.weight_version = 3, .first_token = 0},
                                {.weight_version = 4, .first_token = 1}};
  completion.text = "naïve";
  completion.candidate_tokens = {5, 1, 6, 0};
  completion.candidate_log_probs = {-0.1F, -2.0F, -0.3F, -4.0F};
  return completion;
}

Group FullGroup() {
  Group group;
  group.lease_id = 9;
  group.prompt_id = 41;
  group.completions = {FullCompletion(), MakeCompletion({}, 4)};
  group.verdicts = {Verdict::Scored(0.5), Verdict::Unscored(VerdictKind::kTimedOut, "too slow")};
  group.verdicts[0].components = {{"format", 1.0}, {"answer", 0.0}};
  group.verdicts[0].token_rewards = {0.25F, 0.75F};
  group.verdicts[0].cost = 0.5;
  group.verdicts[0].explanation = "first step right";
  group.verdicts[1].cost = 5.0;
  return group;
}

TEST(Convert, KeepsPrompts) {
  EXPECT_EQ(RoundTrip<v1::Prompt>(FullPrompt()).value(), FullPrompt());
}

TEST(Convert, KeepsGroups) { EXPECT_EQ(RoundTrip<v1::Group>(FullGroup()).value(), FullGroup()); }

TEST(Convert, KeepsRunInfo) {
  RunInfo info;
  info.worker_id = "w-3";
  info.run_id = "run";
  info.seed = ~uint64_t{0};
  info.transformer = {.vocab_size = 2,
                      .max_positions = 14,
                      .d_model = 64,
                      .layers = 2,
                      .heads = 4,
                      .feed_forward = 256};
  info.sampling = {
      .completions_per_prompt = 8, .candidates_per_token = 3, .temperature = 0.7F, .max_tokens = 7};
  info.want_token_rewards = true;
  VerifierSpec plain;
  plain.address = "localhost:5";
  plain.deadline = absl::Milliseconds(1500);
  VerifierSpec gate;
  gate.address = "judge:1";
  gate.deadline = absl::Seconds(3);
  gate.further_addresses = {"judge:2", "judge:3"};
  gate.name = "judge";
  gate.tasks = {"math/*", "code"};
  gate.role = VerifierRole::kGate;
  gate.weight = -0.5;
  gate.tls = VerifierTlsFiles{.ca = "ca.pem", .certificate = "me.pem", .key = "me.key"};
  info.verifiers = {plain, gate};
  info.verification = {.combination = ScoreCombination::kProduct,
                       .max_attempts = 5,
                       .attempt_time = absl::Seconds(2),
                       .max_in_flight = 9,
                       .first_pause = absl::Milliseconds(3),
                       .longest_pause = absl::Seconds(4),
                       .hedge_quantile = 0.9,
                       .max_hedge_fraction = 0.1,
                       .breaker_failures = 6,
                       .breaker_failure_ratio = 0.75,
                       .breaker_open_time = absl::Seconds(7)};
  EXPECT_EQ(RoundTrip<v1::RegisterResponse>(info).value(), info);
}

TEST(Convert, KeepsRunInfoOfALanguageModel) {
  RunInfo info;
  info.worker_id = "w-3";
  info.run_id = "run";
  auto model = std::make_shared<LanguageModelInfo>();
  model->config_json = "{\"model_type\": \"llama\"}";
  model->tokenizer_json = "{\"bytes\": \"\xff\"}";  // whatever stands in the file
  model->end_tokens = {2, 7};
  model->vocab_size = 512;
  model->bfloat16 = true;
  model->lora = LowRankAdapterSpec{.rank = 4, .alpha = 8.5, .targets = {"q_proj", "v_proj"}};
  model->path = "/models/small";
  model->checksum = 0xfffffff0;
  model->composed = true;
  info.language_model = model;
  info.sampling.completions_per_prompt = 8;
  info.sampling.temperature = 0.7F;
  info.sampling.max_tokens = 64;
  info.sampling.swap_in_flight = true;
  info.sampling.stop_texts = {"\n\n", "###"};
  info.sampling.recompute_cache = true;
  info.sampling.cache_bytes = uint64_t{5} << 33;
  info.own_verifier = std::string("\x12\x00\xff", 3);
  EXPECT_EQ(RoundTrip<v1::RegisterResponse>(info).value(), info);
  model->lora.reset();
  EXPECT_EQ(RoundTrip<v1::RegisterResponse>(info).value(), info);
}

TEST(Convert, RefusesALanguageModelWithoutAConfig) {
  v1::RegisterResponse proto;
  proto.set_worker_id("w");
  proto.mutable_language_model()->set_bfloat16(true);
  EXPECT_THAT(std::string(FromProto(proto).status().message()),
              ::testing::HasSubstr("language_model.config_json: empty"));
}

TEST(Convert, TakesVerifiersOfALearnerThatKnowsNoRouting) {
  v1::RegisterResponse proto;
  proto.set_worker_id("w");
  proto.add_verifiers()->set_address("a:1");
  proto.mutable_verifiers(0)->mutable_deadline()->set_seconds(1);
  const RunInfo info = FromProto(proto).value();
  EXPECT_EQ(info.verifiers[0].role, VerifierRole::kScore);
  EXPECT_EQ(info.verifiers[0].weight, 1.0);
  EXPECT_FALSE(info.verifiers[0].tls.has_value());
  EXPECT_EQ(info.verification, VerificationSpec());
}

TEST(Convert, KeepsLeases) {
  Lease lease{.id = 3,
              .prompts = {FullPrompt()},
              .min_weight_version = 2,
              .time_to_live = absl::Seconds(90)};
  const LeaseResult received = RoundTrip<v1::LeasePromptsResponse>(LeaseResult(lease)).value();
  const Lease& result = std::get<Lease>(received);
  EXPECT_EQ(result.id, lease.id);
  EXPECT_EQ(result.prompts, lease.prompts);
  EXPECT_EQ(result.min_weight_version, lease.min_weight_version);
  EXPECT_EQ(result.time_to_live, lease.time_to_live);
}

TEST(Convert, KeepsWhyThereIsNoLease) {
  const absl::Duration later = absl::Milliseconds(20);
  for (const NoLease& none :
       {NoLease{.retry_after = later}, NoLease{.finished = true, .retry_after = later},
        NoLease{.draining = true, .retry_after = later}}) {
    const LeaseResult result = RoundTrip<v1::LeasePromptsResponse>(LeaseResult(none)).value();
    const NoLease& received = std::get<NoLease>(result);
    EXPECT_EQ(received.finished, none.finished);
    EXPECT_EQ(received.draining, none.draining);
    EXPECT_EQ(received.retry_after, later);
  }
}

TEST(Convert, KeepsSubmitResults) {
  const SubmitResult result{
      .lease_id = 1, .prompt_id = 2, .outcome = SubmitOutcome::kInvalid, .error = "tokens"};
  const SubmitResult received = RoundTrip<v1::SubmitResult>(result).value();
  EXPECT_EQ(received.lease_id, 1);
  EXPECT_EQ(received.prompt_id, 2);
  EXPECT_EQ(received.outcome, SubmitOutcome::kInvalid);
  EXPECT_EQ(received.error, "tokens");
}

TEST(Convert, KeepsStatus) {
  RunStatus status;
  status.run_id = "run";
  status.step = 4;
  status.total_steps = 10;
  status.weight_version = 5;
  status.reward_mean = 0.25;
  status.error = 0.75;
  status.ledger = {.leased = 6,
                   .trained = 1,
                   .dropped_stale = 1,
                   .dropped_unverified = 1,
                   .expired = 1,
                   .in_flight = 2};
  status.workers = 3;
  status.draining = true;
  status.version = "1.0";
  status.groups_leased = 1;
  status.groups_ready = 2;
  status.groups_leasable = 3;
  status.oldest_lease_age = absl::Milliseconds(1500);
  EXPECT_EQ(RoundTrip<v1::GetStatusResponse>(status).value(), status);
}

TEST(Convert, KeepsDetailsOfAStatus) {
  const std::vector<WorkerStatus> workers = {{.name = "a",
                                              .idle = absl::Seconds(3),
                                              .groups_accepted = 4,
                                              .groups_refused = 5,
                                              .weight_version = 6}};
  RunDetails details;
  details.checkpoint_step = 7;
  details.checkpoint_age = absl::Seconds(8);
  StepFigures step;
  step.step = 9;
  step.error = 0.25;
  step.loss = -1;
  step.unscored_fraction = 0.5;
  details.steps = {step, StepFigures()};
  GroupFigures group;
  group.prompt_id = 10;
  group.task = "task";
  group.completions = {{.text = "answer",
                        .verdict = VerdictKind::kScored,
                        .score = 1,
                        .anchor_probability = 0.1,
                        .target_probability = 0.2,
                        .policy_probability = 0.3}};
  details.groups = {group};
  v1::GetStatusResponse message;
  DetailsToProto(workers, details, &message);
  EXPECT_EQ(FromProto(message).value().workers_seen, workers);
  EXPECT_EQ(DetailsFromProto(message).value(), details);
  EXPECT_FALSE(DetailsFromProto(message).value().steps[1].error.has_value());
  EXPECT_EQ(DetailsFromProto(v1::GetStatusResponse()).value(), RunDetails()) << "an older learner";
}

TEST(Convert, RepairsTextOfDetails) {
  RunDetails details;
  GroupFigures group;
  group.prompt = "\xff";
  details.groups = {group};
  v1::GetStatusResponse message;
  DetailsToProto({}, details, &message);
  EXPECT_TRUE(v1::GetStatusResponse().ParseFromString(message.SerializeAsString()));
  EXPECT_EQ(DetailsFromProto(message)->groups[0].prompt, "\xef\xbf\xbd");
}

TEST(Convert, KeepsVerifyRequests) {
  VerifyRequest request;
  request.prompt = FullPrompt();
  request.completions = FullGroup().completions;
  request.want_token_rewards = true;
  request.weight_version = 4;
  request.idempotency_key = "run/9/41";
  const VerifyRequest received = RoundTrip<v1::VerifyRequest>(request).value();
  EXPECT_EQ(received.prompt, request.prompt);
  EXPECT_EQ(received.completions, request.completions);
  EXPECT_EQ(received.want_token_rewards, true);
  EXPECT_EQ(received.weight_version, 4);
  EXPECT_EQ(received.idempotency_key, "run/9/41");
}

TEST(Convert, KeepsManifests) {
  const auto snapshot = MakeSnapshot(12);
  const WeightManifest received = RoundTrip<v1::WeightManifest>(*snapshot).value();
  EXPECT_EQ(received.version, 12);
  EXPECT_EQ(received.tensors, snapshot->weights.tensors());
  EXPECT_EQ(received.size_bytes, snapshot->weights.bytes().size());
  EXPECT_EQ(received.crc32c, snapshot->crc32c);
}

TEST(Convert, KeepsDurations) {
  for (const absl::Duration duration : {absl::ZeroDuration(), absl::Nanoseconds(1),
                                        absl::Milliseconds(-1500), absl::Hours(24 * 365)}) {
    EXPECT_EQ(RoundTrip<google::protobuf::Duration>(duration).value(), duration);
  }
}

// A completion that ends within a character must not make its receiver refuse the whole message.
TEST(Convert, RepairsTextThatIsNotUtf8) {
  Completion completion = MakeCompletion({5}, 0);
  completion.text = "caf\xC3";
  EXPECT_EQ(RoundTrip<v1::Completion>(completion).value().text, "caf\xEF\xBF\xBD");
  Prompt prompt = FullPrompt();
  prompt.metadata = {{"\xFF", "\xED\xA0\x80"}};
  const Prompt received = RoundTrip<v1::Prompt>(prompt).value();
  EXPECT_EQ(received.metadata.at("\xEF\xBF\xBD"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

struct Refusal {
  const char* message;
  std::function<void(v1::Group*)> spoil;
};

TEST(Convert, RefusesGroupsAndNamesTheField) {
  const std::vector<Refusal> refusals = {
      {"completions[0].tokens[1]: negative",
       [](v1::Group* g) { g->mutable_completions(0)->set_tokens(1, -1); }},
      {"completions[0].behavior_log_probs[1]: not a finite",
       [](v1::Group* g) { g->mutable_completions(0)->set_behavior_log_probs(1, kInfinity); }},
      {"completions[0].behavior_log_probs: 3 values for 2 tokens",
       [](v1::Group* g) { g->mutable_completions(0)->add_behavior_log_probs(-1); }},
      {"completions[1].finish_reason: unspecified",
       [](v1::Group* g) { g->mutable_completions(1)->clear_finish_reason(); }},
      {"completions[1].finish_reason: unknown value 9",
       [](v1::Group* g) {
         g->mutable_completions(1)->set_finish_reason(static_cast<v1::FinishReason>(9));
       }},
      {"completions[0].weight_versions[0].weight_version: negative",
       [](v1::Group* g) {
         g->mutable_completions(0)->mutable_weight_versions(0)->set_weight_version(-1);
       }},
      {"completions[0].weight_versions[0].first_token",
       [](v1::Group* g) {
         g->mutable_completions(0)->mutable_weight_versions(0)->set_first_token(1);
       }},
      {"completions[0].weight_versions[1].first_token",
       [](v1::Group* g) {
         g->mutable_completions(0)->mutable_weight_versions(1)->set_first_token(2);
       }},
      {"completions[0].candidate_log_probs: 5 values for 4",
       [](v1::Group* g) { g->mutable_completions(0)->add_candidate_log_probs(-1); }},
      {"completions[0].candidate_log_probs[2]: not a finite",
       [](v1::Group* g) { g->mutable_completions(0)->set_candidate_log_probs(2, -kInfinity); }},
      {"completions[0].candidate_tokens: 5 is no multiple",
       [](v1::Group* g) {
         g->mutable_completions(0)->add_candidate_tokens(1);
         g->mutable_completions(0)->add_candidate_log_probs(-1);
       }},
      {"verdicts[1].kind: unspecified", [](v1::Group* g) { g->mutable_verdicts(1)->clear_kind(); }},
      {"verdicts[0].kind: unknown value -3",
       [](v1::Group* g) { g->mutable_verdicts(0)->set_kind(static_cast<v1::VerdictKind>(-3)); }},
      {"verdicts[0].cost: not a finite",
       [](v1::Group* g) { g->mutable_verdicts(0)->set_cost(kInfinity); }},
      {"verdicts[0].score: not a finite",
       [](v1::Group* g) { g->mutable_verdicts(0)->set_score(kNaN); }},
      {"verdicts[0].components[format]: not a finite",
       [](v1::Group* g) { (*g->mutable_verdicts(0)->mutable_components())["format"] = kNaN; }},
      {"verdicts[0].token_rewards[1]: not a finite",
       [](v1::Group* g) { g->mutable_verdicts(0)->set_token_rewards(1, kInfinity); }},
  };
  for (const Refusal& refusal : refusals) {
    v1::Group proto;
    ToProto(FullGroup(), &proto);
    ASSERT_TRUE(FromProto(proto).ok());
    refusal.spoil(&proto);
    EXPECT_THAT(FromProto(proto), HoldsStatus(absl::StatusCode::kInvalidArgument, refusal.message));
  }
}

TEST(Convert, RefusesVerifyRequests) {
  v1::VerifyRequest proto;
  EXPECT_THAT(FromProto(proto), HoldsStatus(absl::StatusCode::kInvalidArgument, "prompt: missing"));
  ToProto(FullPrompt(), proto.mutable_prompt());
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "completions: empty"));
  ToProto(FullCompletion(), proto.add_completions());
  ASSERT_TRUE(FromProto(proto).ok());
  proto.mutable_prompt()->add_reference_tokens(-5);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "prompt.reference_tokens[3]"));
}

TEST(Convert, RefusesLeases) {
  v1::LeasePromptsResponse proto;
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "no_lease: unspecified"));
  proto.mutable_lease();
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "lease.prompts: empty"));
  ToProto(FullPrompt(), proto.mutable_lease()->add_prompts());
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "lease.time_to_live"));
  proto.mutable_lease()->mutable_time_to_live()->set_seconds(1);
  ASSERT_TRUE(FromProto(proto).ok());
  proto.mutable_lease()->mutable_time_to_live()->set_nanos(-1);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "lease.time_to_live"));
}

TEST(Convert, RefusesRunInfo) {
  v1::RegisterResponse proto;
  EXPECT_THAT(FromProto(proto), HoldsStatus(absl::StatusCode::kInvalidArgument, "worker_id"));
  proto.set_worker_id("w");
  ASSERT_TRUE(FromProto(proto).ok());
  proto.mutable_transformer()->set_layers(-1);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "transformer.layers"));
  proto.mutable_transformer()->set_layers(1);
  proto.mutable_sampling()->set_temperature(kInfinity);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "sampling.temperature"));
  proto.mutable_sampling()->set_temperature(1);
  proto.add_verifiers()->set_address("a:1");
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "verifiers[0].deadline"));
  proto.mutable_verifiers(0)->mutable_deadline()->set_seconds(1);
  proto.mutable_verifiers(0)->set_weight(kInfinity);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "verifiers[0].weight"));
  proto.mutable_verifiers(0)->clear_weight();
  proto.mutable_verifiers(0)->set_role(static_cast<v1::VerifierSpecRole>(3));
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "verifiers[0].role"));
  proto.mutable_verifiers(0)->clear_role();
  proto.mutable_verification()->set_max_hedge_fraction(1.5);
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "verification.max_hedge_fraction"));
}

TEST(Convert, RefusesManifests) {
  v1::WeightManifest proto;
  ToProto(*MakeSnapshot(1), &proto);
  proto.mutable_tensors(0)->set_size_bytes(4);
  EXPECT_THAT(FromProto(proto), HoldsStatus(absl::StatusCode::kInvalidArgument, "tensor 'w'"));
  proto.mutable_tensors(0)->clear_type();
  EXPECT_THAT(FromProto(proto),
              HoldsStatus(absl::StatusCode::kInvalidArgument, "tensors[0].type: unspecified"));
  proto.set_weight_version(-1);
  EXPECT_THAT(FromProto(proto), HoldsStatus(absl::StatusCode::kInvalidArgument, "weight_version"));
}

TEST(Convert, HandsLyingVerdictsOn) {
  v1::Verdict proto;
  proto.set_kind(static_cast<v1::VerdictKind>(77));
  proto.set_score(kNaN);
  const Verdict verdict = UncheckedFromProto(proto);
  EXPECT_EQ(verdict.kind, VerdictKind::kUnspecified);
  EXPECT_TRUE(std::isnan(verdict.score));
}

}  // namespace
}  // namespace tpo
