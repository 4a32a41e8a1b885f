// `tpo admin`: what an operator asks of a learner that runs.
#include <cstdio>

#include <nlohmann/json.hpp>

#include "core/status_macros.h"
#include "services/engine/engine.h"
#include "services/engine/environment_trace.h"
#include "services/engine/tls_options.h"
#include "services/grpc/admin_client.h"
#include "services/grpc/channel.h"

namespace tpo {
namespace {

absl::Status Checkpoint(const AdminCommand& command,
                        const std::shared_ptr<grpc::Channel>& channel) {
  TPO_ASSIGN_OR_RETURN(const CheckpointInfo info,
                       RequestCheckpoint(channel, absl::Minutes(10), EnvironmentTrace()));
  if (command.json) {
    const nlohmann::ordered_json json = {{"step", info.step}, {"path", info.path}};
    std::printf("%s\n", json.dump().c_str());
  } else {
    std::printf("checkpoint of step %lld: %s\n", static_cast<long long>(info.step),
                info.path.c_str());
  }
  return absl::OkStatus();
}

absl::Status Drain(const AdminCommand& command, const std::shared_ptr<grpc::Channel>& channel) {
  TPO_RETURN_IF_ERROR(RequestDrain(channel, absl::Seconds(10), EnvironmentTrace()));
  std::printf("%s\n", command.json ? R"({"draining":true})"
                                   : "the run ends after the step in training, with a checkpoint");
  return absl::OkStatus();
}

}  // namespace

absl::Status RunAdmin(const AdminCommand& command) {
  TPO_ASSIGN_OR_RETURN(auto channel, MakeLearnerChannel({command.learner, command.insecure,
                                                         ToTlsOptions(command.tls)}));
  return command.action == AdminCommand::Action::kCheckpoint ? Checkpoint(command, channel)
                                                             : Drain(command, channel);
}

}  // namespace tpo
