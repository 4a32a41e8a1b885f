#include "tests/services/verifier_check/faults.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

namespace tpo {
namespace {

using Answer = std::optional<grpc::Status>;

const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();
const grpc::Status kCrash(grpc::StatusCode::INTERNAL, "Exception calling application");

// Whether the request is of this check: a fault that shows only there must be found there.
bool IsOf(const v1::VerifyRequest& request, const std::string& check) {
  return request.idempotency_key().find("/" + check + "/") != std::string::npos;
}

// A fault that crashes on some requests.
Fault CrashesOn(const char* name, const char* check, bool (*is_hit)(const v1::VerifyRequest&)) {
  return {
      .name = name,
      .check = check,
      .instead = [is_hit](FaultyVerifier&, const v1::VerifyRequest& request, v1::VerifyResponse*) {
        return is_hit(request) ? Answer(kCrash) : Answer();
      }};
}

// A fault that shows in the first verdict of larger groups.
Fault Spoils(const char* name, const char* check, void (*spoil)(v1::Verdict*)) {
  return {.name = name,
          .check = check,
          .spoil = [spoil](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
            if (request.completions_size() == 8) spoil(response->mutable_verdicts(0));
          }};
}

Fault Rearranges(const char* name, void (*rearrange)(v1::VerifyResponse*)) {
  return {.name = name,
          .check = "order",
          .spoil = [rearrange](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
            // Whose token rewards have the wrong lengths then, too.
            if (!request.want_token_rewards()) rearrange(response);
          }};
}

// A fault of token rewards, given or not.
Fault SpoilsTokenRewards(const char* name, bool wanted, void (*spoil)(v1::Verdict*)) {
  return {.name = name,
          .check = "token_rewards",
          .spoil = [wanted, spoil](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
            if (request.want_token_rewards() != wanted) return;
            for (v1::Verdict& verdict : *response->mutable_verdicts()) spoil(&verdict);
          }};
}

Fault Describes(const char* name, grpc::Status (*describe)(v1::DescribeResponse*)) {
  return {.name = name, .check = "describe", .describe = describe};
}

// Never ends a call again once more requests of the check were there than measure the usual
// latency.
Fault FallsSilentIn(const char* name, const char* check) {
  return {
      .name = name,
      .check = check,
      .instead =
          [check](FaultyVerifier& verifier, const v1::VerifyRequest& request, v1::VerifyResponse*) {
            if (IsOf(request, check) && verifier.CountIn() > 5) verifier.FallSilent();
            verifier.WaitWhileSilent();
            return Answer();
          },
      .hangs = true};
}

std::vector<Fault> FaultsOfDescription() {
  std::vector<Fault> faults;
  faults.push_back({.name = "never_serving", .check = "health", .is_serving = false});
  faults.push_back({.name = "a_task_not_serving", .check = "health", .task_is_serving = false});
  faults.push_back(Describes("describe_crashes", [](v1::DescribeResponse*) { return kCrash; }));
  faults.push_back(Describes("no_name", [](v1::DescribeResponse* description) {
    description->clear_verifier();
    return grpc::Status::OK;
  }));
  faults.push_back(Describes("no_tasks", [](v1::DescribeResponse* description) {
    description->clear_tasks();
    return grpc::Status::OK;
  }));
  faults.push_back(Describes("star_within_a_task", [](v1::DescribeResponse* description) {
    description->add_tasks("te*xt");
    return grpc::Status::OK;
  }));
  faults.push_back(Describes("a_task_twice", [](v1::DescribeResponse* description) {
    description->add_tasks("text");
    return grpc::Status::OK;
  }));
  faults.push_back(Describes("negative_latency", [](v1::DescribeResponse* description) {
    description->mutable_typical_latency()->set_seconds(-1);
    return grpc::Status::OK;
  }));
  faults.push_back({.name = "describes_a_task_that_it_refuses",
                    .check = "tasks",
                    .instead =
                        [](FaultyVerifier&, const v1::VerifyRequest& request, v1::VerifyResponse*) {
                          return request.prompt().task() == "ghost"
                                     ? Answer({grpc::StatusCode::NOT_FOUND, "ghost?"})
                                     : Answer();
                        },
                    .describe =
                        [](v1::DescribeResponse* description) {
                          description->add_tasks("ghost");
                          return grpc::Status::OK;
                        }});
  faults.push_back({.name = "scores_any_task",
                    .check = "unknown_task",
                    .instead = [](FaultyVerifier&, const v1::VerifyRequest& request,
                                  v1::VerifyResponse* response) {
                      if (!request.has_prompt() || request.prompt().task() == "text")
                        return Answer();
                      v1::VerifyRequest as_if = request;
                      as_if.mutable_prompt()->set_task("text");
                      return Answer(FaultyVerifier::Judge(as_if, response));
                    }});
  faults.push_back(
      {.name = "retries_an_unknown_task",
       .check = "unknown_task",
       .instead = [](FaultyVerifier&, const v1::VerifyRequest& request, v1::VerifyResponse*) {
         return request.has_prompt() && request.prompt().task() != "text"
                    ? Answer({grpc::StatusCode::UNAVAILABLE, "no such grader"})
                    : Answer();
       }});
  return faults;
}

std::vector<Fault> FaultsOfVerdicts() {
  std::vector<Fault> faults;
  faults.push_back(
      CrashesOn("always_crashes", "answers", [](const v1::VerifyRequest&) { return true; }));
  faults.push_back({.name = "answers_more_than_a_message_holds",
                    .check = "answers",
                    .spoil = [](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
                      if (!IsOf(request, "sample")) return;
                      response->mutable_verdicts(0)->set_explanation(
                          std::string(size_t{129} << 20, 'x'));
                    }});
  faults.push_back({.name = "drops_a_verdict",
                    .check = "count",
                    .spoil = [](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
                      if (request.completions_size() == 64)
                        response->mutable_verdicts()->RemoveLast();
                    }});
  faults.push_back({.name = "adds_a_verdict",
                    .check = "count",
                    .spoil = [](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
                      if (request.completions_size() == 1)
                        *response->add_verdicts() = response->verdicts(0);
                    }});
  faults.push_back(Rearranges("reverses", [](v1::VerifyResponse* response) {
    std::reverse(response->mutable_verdicts()->begin(), response->mutable_verdicts()->end());
  }));
  faults.push_back(Rearranges("shifts_by_one", [](v1::VerifyResponse* response) {
    auto* verdicts = response->mutable_verdicts();
    std::rotate(verdicts->begin(), verdicts->begin() + 1, verdicts->end());
  }));
  faults.push_back(Rearranges("sorts_by_score", [](v1::VerifyResponse* response) {
    std::stable_sort(response->mutable_verdicts()->begin(), response->mutable_verdicts()->end(),
                     [](const auto& a, const auto& b) { return a.score() > b.score(); });
  }));
  faults.push_back(
      Spoils("unspecified_kind", "kinds", [](v1::Verdict* verdict) { verdict->clear_kind(); }));
  faults.push_back(Spoils("invented_kind", "kinds", [](v1::Verdict* verdict) {
    verdict->set_kind(static_cast<v1::VerdictKind>(9));
  }));
  faults.push_back(Spoils("failure_without_reason", "kinds", [](v1::Verdict* verdict) {
    verdict->set_kind(v1::VERDICT_KIND_FAILED);
  }));
  faults.push_back(
      Spoils("nan_score", "numbers", [](v1::Verdict* verdict) { verdict->set_score(kNan); }));
  faults.push_back(Spoils("infinite_component", "numbers", [](v1::Verdict* verdict) {
    (*verdict->mutable_components())["length"] = kInfinity;
  }));
  faults.push_back(Spoils("infinite_cost", "numbers",
                          [](v1::Verdict* verdict) { verdict->set_cost(kInfinity); }));
  faults.push_back({.name = "scores_what_it_reads",
                    .check = "numbers",
                    .spoil = [](const v1::VerifyRequest& request, v1::VerifyResponse* response) {
                      for (int i = 0; i < request.completions_size(); ++i) {
                        if (request.completions(i).text() == "nan")
                          response->mutable_verdicts(i)->set_score(kNan);
                      }
                    }});
  faults.push_back(SpoilsTokenRewards(
      "token_rewards_missing", true, [](v1::Verdict* verdict) { verdict->clear_token_rewards(); }));
  faults.push_back(SpoilsTokenRewards("one_token_reward_too_many", true,
                                      [](v1::Verdict* verdict) { verdict->add_token_rewards(0); }));
  faults.push_back(SpoilsTokenRewards("nan_token_reward", true, [](v1::Verdict* verdict) {
    verdict->set_token_rewards(0, static_cast<float>(kNan));
  }));
  faults.push_back(SpoilsTokenRewards("token_rewards_unasked", false,
                                      [](v1::Verdict* verdict) { verdict->add_token_rewards(1); }));
  Fault ignores_the_wish =
      SpoilsTokenRewards("ignores_a_wish_it_cannot_fulfil", true,
                         [](v1::Verdict* verdict) { verdict->clear_token_rewards(); });
  ignores_the_wish.describe = [](v1::DescribeResponse* description) {
    description->set_token_rewards(false);
    return grpc::Status::OK;
  };
  faults.push_back(ignores_the_wish);
  return faults;
}

std::vector<Fault> FaultsOfContentAndLimits() {
  std::vector<Fault> faults;
  faults.push_back(
      CrashesOn("crashes_on_nothing", "empty_completion", [](const v1::VerifyRequest& request) {
        return std::any_of(request.completions().begin(), request.completions().end(),
                           [](const auto& completion) { return completion.text().empty(); });
      }));
  faults.push_back(CrashesOn("crashes_on_unicode", "unicode", [](const v1::VerifyRequest& request) {
    return std::any_of(
        request.completions().begin(), request.completions().end(), [](const auto& completion) {
          const std::string& text = completion.text();
          return std::any_of(text.begin(), text.end(),
                             [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
        });
  }));
  faults.push_back(CrashesOn("crashes_on_nul", "unicode", [](const v1::VerifyRequest& request) {
    return std::any_of(
        request.completions().begin(), request.completions().end(),
        [](const auto& completion) { return completion.text().find('\0') != std::string::npos; });
  }));
  faults.push_back(
      CrashesOn("crashes_on_length", "long_completion", [](const v1::VerifyRequest& request) {
        return std::any_of(request.completions().begin(), request.completions().end(),
                           [](const auto& completion) { return completion.tokens_size() > 8192; });
      }));
  faults.push_back(CrashesOn("takes_fewer_than_it_says", "many_completions",
                             [](const v1::VerifyRequest& request) {
                               const int count = request.completions_size();
                               return count > 90 && count <= FaultyVerifier::kMaxCompletions;
                             }));
  faults.push_back({.name = "takes_more_than_it_says",
                    .check = "too_many_completions",
                    .instead = [](FaultyVerifier&, const v1::VerifyRequest& request,
                                  v1::VerifyResponse* response) {
                      if (request.completions_size() <= FaultyVerifier::kMaxCompletions)
                        return Answer();
                      FaultyVerifier::JudgeAll(request, response);
                      return Answer(grpc::Status::OK);
                    }});
  faults.push_back(
      {.name = "crashes_on_too_many",
       .check = "too_many_completions",
       .instead = [](FaultyVerifier&, const v1::VerifyRequest& request, v1::VerifyResponse*) {
         return request.completions_size() > FaultyVerifier::kMaxCompletions ? Answer(kCrash)
                                                                             : Answer();
       }});
  faults.push_back(
      {.name = "accepts_no_completions",
       .check = "malformed_request",
       .instead = [](FaultyVerifier&, const v1::VerifyRequest& request, v1::VerifyResponse*) {
         return request.completions().empty() ? Answer(grpc::Status::OK) : Answer();
       }});
  faults.push_back(
      CrashesOn("crashes_without_prompt", "malformed_request",
                [](const v1::VerifyRequest& request) { return !request.has_prompt(); }));
  faults.push_back(
      {.name = "accepts_any_size", .check = "oversized_request", .max_receive_bytes = 64 << 20});
  faults.push_back(
      {.name = "dies_of_a_large_request",
       .check = "oversized_request",
       .instead =
           [](FaultyVerifier& verifier, const v1::VerifyRequest& request, v1::VerifyResponse*) {
             if (request.ByteSizeLong() <= FaultyVerifier::kMaxRequestBytes) return Answer();
             verifier.FallSilent();
             return Answer({grpc::StatusCode::UNKNOWN, "out of memory"});
           },
       .max_receive_bytes = 64 << 20,
       .hangs = true});
  return faults;
}

std::vector<Fault> FaultsOfCalls() {
  // The groups that the check asks for one after the other, before it asks for many at once.
  constexpr int kAlone = 8;
  constexpr int kTogether = 32;
  std::vector<Fault> faults;
  faults.push_back({.name = "scores_by_mood",
                    .check = "idempotency",
                    .instead = [](FaultyVerifier& verifier, const v1::VerifyRequest& request,
                                  v1::VerifyResponse* response) {
                      if (!IsOf(request, "idempotency")) return Answer();
                      const grpc::Status status = FaultyVerifier::Judge(request, response);
                      response->mutable_verdicts(0)->set_score(verifier.CountIn());
                      return Answer(status);
                    }});
  faults.push_back({.name = "fails_when_asked_again",
                    .check = "idempotency",
                    .instead = [](FaultyVerifier& verifier, const v1::VerifyRequest& request,
                                  v1::VerifyResponse*) {
                      return IsOf(request, "idempotency") && verifier.CountIn() == 2
                                 ? Answer({grpc::StatusCode::ALREADY_EXISTS, "key was used"})
                                 : Answer();
                    }});
  faults.push_back({.name = "mixes_up_concurrent_calls",
                    .check = "concurrency",
                    .instead = [](FaultyVerifier& verifier, const v1::VerifyRequest& request,
                                  v1::VerifyResponse* response) {
                      if (!IsOf(request, "concurrency")) return Answer();
                      verifier.SetShared(request);
                      if (verifier.CountIn() > kAlone) verifier.WaitForCount(kAlone + kTogether);
                      return Answer(FaultyVerifier::Judge(verifier.shared(), response));
                    }});
  faults.push_back({.name = "crashes_among_others",
                    .check = "concurrency",
                    .instead = [](FaultyVerifier& verifier, const v1::VerifyRequest& request,
                                  v1::VerifyResponse*) {
                      return IsOf(request, "concurrency") && verifier.CountIn() > kAlone + 5
                                 ? Answer(kCrash)
                                 : Answer();
                    }});
  faults.push_back(FallsSilentIn("hangs_after_a_deadline", "deadline"));
  faults.push_back(FallsSilentIn("holds_threads_of_cancelled_calls", "cancel"));
  return faults;
}

}  // namespace

std::vector<Fault> AllFaults() {
  std::vector<Fault> faults;
  for (const auto& some :
       {FaultsOfDescription(), FaultsOfVerdicts(), FaultsOfContentAndLimits(), FaultsOfCalls()}) {
    faults.insert(faults.end(), some.begin(), some.end());
  }
  return faults;
}

}  // namespace tpo
