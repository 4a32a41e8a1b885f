// `tpo status`: what a learner says of its run.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "services/engine/engine.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/channel.h"

namespace tpo {
namespace {

nlohmann::ordered_json ToJson(const RunStatus& status) {
  const Ledger& ledger = status.ledger;
  return {{"run_id", status.run_id},
          {"step", status.step},
          {"total_steps", status.total_steps},
          {"weight_version", status.weight_version},
          {"reward_mean", status.reward_mean},
          {"error", status.error},
          {"workers", status.workers},
          {"draining", status.draining},
          {"version", status.version},
          {"ledger",
           {{"leased", ledger.leased},
            {"trained", ledger.trained},
            {"dropped_stale", ledger.dropped_stale},
            {"dropped_unverified", ledger.dropped_unverified},
            {"expired", ledger.expired},
            {"in_flight", ledger.in_flight}}}};
}

}  // namespace

absl::Status RunStatusCommand(const StatusCommand& command) {
  TPO_ASSIGN_OR_RETURN(auto channel, MakeLearnerChannel({command.learner, command.insecure}));
  TPO_ASSIGN_OR_RETURN(const RunStatus status, GetRunStatus(channel));
  const nlohmann::ordered_json json = ToJson(status);
  if (command.json) {
    std::printf("%s\n", json.dump().c_str());
    return absl::OkStatus();
  }
  for (const auto& [name, value] : json.items()) {
    if (name != "ledger")
      std::printf("%-15s %s\n", name.c_str(),
                  value.is_string() ? value.get<std::string>().c_str() : value.dump().c_str());
  }
  std::printf("groups\n");
  for (const auto& [name, value] : json["ledger"].items()) {
    std::printf("  %-18s %s\n", name.c_str(), value.dump().c_str());
  }
  return absl::OkStatus();
}

}  // namespace tpo
