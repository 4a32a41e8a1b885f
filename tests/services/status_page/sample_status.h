// A run in the middle, for tests of its status page. `hostile`: every text that comes from others
// tries to be more than text.
#ifndef TPO_TESTS_SERVICES_STATUS_PAGE_SAMPLE_STATUS_H_
#define TPO_TESTS_SERVICES_STATUS_PAGE_SAMPLE_STATUS_H_

#include <cmath>
#include <string>

#include "services/status_page/status_view.h"

namespace tpo {

inline constexpr char kHostileText[] =
    "</code><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "\" onmouseover=\"document.title='owned' & \x1b[31mred\xff\xc2\x9b";

inline StatusView SampleStatus(bool hostile = false) {
  const auto text = [hostile](const char* harmless) {
    return std::string(hostile ? kHostileText : harmless);
  };
  StatusView view;
  RunStatus& status = view.status;
  status.run_id = text("3f1d9a7c00c0ffee");
  status.version = "0.1.0";
  status.step = 120;
  status.total_steps = 400;
  status.weight_version = 120;
  status.reward_mean = 0.625;
  status.error = 0.375;
  status.workers = 2;
  status.ledger = {.leased = 12'150, .trained = 12'000, .expired = 50, .in_flight = 100};
  status.groups_leased = 75;
  status.groups_ready = 25;
  status.oldest_lease_age = absl::Seconds(3);
  status.workers_seen = {{.name = text("worker-a"),
                          .idle = absl::Milliseconds(300),
                          .groups_accepted = 7000,
                          .groups_refused = 2,
                          .weight_version = 119},
                         {.name = text("worker-b"),
                          .idle = absl::Minutes(4),
                          .groups_accepted = 5000,
                          .weight_version = 80}};
  view.details.checkpoint_step = 100;
  view.details.checkpoint_age = absl::Seconds(95);
  for (int64_t step = 0; step < 120; ++step) {
    StepFigures figures;
    figures.step = step;
    figures.error = std::exp(-static_cast<double>(step) / 122.0);
    figures.reward_mean = 1.0 - *figures.error;
    figures.loss = 2.0 - 0.01 * static_cast<double>(step);
    figures.step_seconds = 0.2;
    figures.rollout_seconds = 0.1;
    figures.target_entropy = 1.2;
    figures.anchor_entropy = 1.6;
    figures.tokens_total = static_cast<uint64_t>(step + 1) * 5600;
    view.details.steps.push_back(figures);
  }
  GroupFigures group;
  group.step = 110;
  group.prompt_id = 11'004;
  group.task = text("sequence/reverse_copy/terminal");
  group.prompt = text("1 1 1 0 1 1 0");
  const VerdictKind kinds[] = {VerdictKind::kScored, VerdictKind::kScored, VerdictKind::kTimedOut};
  for (int k = 0; k < 3; ++k) {
    group.completions.push_back({.text = text("0 1 1 0 1 1 1"),
                                 .verdict = kinds[k],
                                 .score = k == 0 ? 1.0 : 0.0,
                                 .anchor_probability = 0.3,
                                 .target_probability = k == 0 ? 0.9 : 0.05,
                                 .policy_probability = k == 0 ? 0.8 : 0.1});
  }
  view.details.groups = {group, group};
  view.details.roles.relays = {
      {.name = text("relay-a"),
       .connected = true,
       .since = absl::Minutes(5),
       .weight_version = 120},
      {.name = text("relay-b"), .since = absl::Seconds(30), .weight_version = 97}};
  view.details.roles.verifiers = {{.verifier = text("judge"),
                                   .backend = text("10.0.0.1:50052"),
                                   .health = VerifierHealth::kLeftAlone,
                                   .answered = 90,
                                   .failed = 10}};
  return view;
}

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_STATUS_PAGE_SAMPLE_STATUS_H_
