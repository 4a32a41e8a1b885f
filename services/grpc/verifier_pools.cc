#include "services/grpc/verifier_pools.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_verifier_replica.h"
#include "verifier/routing/combined_verifier.h"
#include "verifier/routing/verifier_pool.h"

namespace tpo {
namespace {

constexpr int kDefaultMaxInFlight = 64;

std::string NameOf(const VerifierSpec& spec) {
  return spec.name.empty() ? spec.address : spec.name;
}

VerifierPoolOptions PoolOptions(const VerifierSpec& verifier, const VerificationSpec& spec) {
  VerifierPoolOptions options;
  options.name = NameOf(verifier);
  options.deadline = verifier.deadline;
  options.attempt_time = spec.attempt_time;
  options.max_in_flight = spec.max_in_flight > 0 ? spec.max_in_flight : kDefaultMaxInFlight;
  options.call = {.max_attempts = std::max(spec.max_attempts, 1),
                  .backoff = {.first = spec.first_pause, .longest = spec.longest_pause}};
  options.breaker = {.failures = spec.breaker_failures,
                     .failure_ratio = spec.breaker_failure_ratio,
                     .open_time = spec.breaker_open_time};
  options.hedge_quantile = spec.hedge_quantile;
  options.max_hedge_fraction = spec.max_hedge_fraction;
  return options;
}

// What the caller, a worker or a learner that evaluates, is to this network: what it may do in
// plaintext, its files for TLS, and its traces.
struct Identity {
  bool allow_remote_plaintext = false;
  TlsOptions own;
  Tracing tracing;
};

TlsOptions TlsTowards(const VerifierTlsFiles& files, const TlsOptions& own) {
  TlsOptions tls;
  const bool has_own = files.certificate.empty();
  tls.certificate = has_own ? own.certificate : files.certificate;
  tls.key = has_own ? own.key : files.key;
  tls.peer_authority = files.ca.empty() ? own.peer_authority : files.ca;
  return tls;
}

absl::StatusOr<std::unique_ptr<VerifierReplica>> Connect(const std::string& address,
                                                         const VerifierSpec& verifier,
                                                         const Identity& identity) {
  ChannelOptions options;
  options.address = address;
  options.allow_remote_plaintext = identity.allow_remote_plaintext;
  if (verifier.tls) options.tls = TlsTowards(*verifier.tls, identity.own);
  TPO_ASSIGN_OR_RETURN(auto channel, MakeVerifierChannel(options));
  return MakeGrpcVerifierReplica(std::move(channel), address, identity.tracing);
}

absl::StatusOr<std::unique_ptr<VerifierPool>> MakePool(const VerifierSpec& verifier,
                                                       const VerificationSpec& spec,
                                                       const Identity& identity) {
  std::vector<std::string> addresses = {verifier.address};
  addresses.insert(addresses.end(), verifier.further_addresses.begin(),
                   verifier.further_addresses.end());
  std::vector<std::unique_ptr<VerifierReplica>> replicas;
  for (const std::string& address : addresses) {
    TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierReplica> replica,
                         Connect(address, verifier, identity));
    replicas.push_back(std::move(replica));
  }
  return std::make_unique<VerifierPool>(std::move(replicas), PoolOptions(verifier, spec));
}

// Asks the verifier for what the config doesn't say.
absl::Status Describe(bool want_token_rewards, CombinedVerifier::Member* member) {
  const bool asks_for_rewards = want_token_rewards && member->role == VerifierRole::kScore;
  if (!member->tasks.empty() && !asks_for_rewards) return absl::OkStatus();
  TPO_ASSIGN_OR_RETURN(const VerifierDescription description, member->verifier->Describe());
  member->token_rewards = description.token_rewards;
  if (member->tasks.empty()) member->tasks = description.tasks;
  if (!member->tasks.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("verifier ", member->name, " names no task; name them in the config"));
}

bool IsPlain(const VerifierSpec& verifier) {
  return verifier.role == VerifierRole::kScore && verifier.weight == 1.0 && verifier.tasks.empty();
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifierPools(const RunInfo& run,
                                                               bool allow_remote_plaintext,
                                                               PoolMonitor* monitor,
                                                               const TlsOptions& own,
                                                               const Tracing& tracing) {
  const Identity identity{
      .allow_remote_plaintext = allow_remote_plaintext, .own = own, .tracing = tracing};
  std::vector<CombinedVerifier::Member> members;
  std::vector<std::shared_ptr<const PoolStatistics>> statistics;
  for (const VerifierSpec& verifier : run.verifiers) {
    TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierPool> pool,
                         MakePool(verifier, run.verification, identity));
    statistics.push_back(pool->statistics());
    if (run.verifiers.size() == 1 && IsPlain(verifier)) {
      if (monitor != nullptr) monitor->Add(statistics.front());
      return pool;
    }
    CombinedVerifier::Member member{.name = NameOf(verifier),
                                    .tasks = verifier.tasks,
                                    .role = verifier.role,
                                    .weight = verifier.weight,
                                    .token_rewards = false,
                                    .verifier = std::move(pool)};
    if (run.verifiers.size() == 1 && member.tasks.empty()) member.tasks = {"*"};
    TPO_RETURN_IF_ERROR(Describe(run.want_token_rewards, &member));
    members.push_back(std::move(member));
  }
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<CombinedVerifier> combined,
                       CombinedVerifier::Make(std::move(members), run.verification.combination,
                                              run.want_token_rewards));
  // Not before everything is there: this is called again when a verifier couldn't be reached.
  if (monitor != nullptr) {
    for (auto& pool : statistics) monitor->Add(std::move(pool));
  }
  return combined;
}

}  // namespace tpo
