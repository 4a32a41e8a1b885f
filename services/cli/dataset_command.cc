#include "services/cli/dataset_command.h"

#include <string>

#include "absl/status/statusor.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "verifier/reasoning_gym/graph_coloring.h"
#include "verifier/reasoning_gym/knights_knaves.h"

namespace tpo {
namespace {

absl::StatusOr<nlohmann::ordered_json> Row(const DatasetCommand& command, uint64_t row) {
  if (command.task == "knights_knaves") {
    return GenerateKnightsKnaves(
        {.people = command.people, .depth = command.depth, .width = command.width}, command.seed,
        row);
  }
  return GenerateGraphColoring({.min_vertices = command.min_vertices,
                                .max_vertices = command.max_vertices,
                                .colors = command.colors,
                                .edge_probability = command.edge_probability},
                               command.seed, row);
}

}  // namespace

absl::Status WriteDataset(const DatasetCommand& command) {
  std::string rows;
  for (int row = 0; row < command.count; ++row) {
    TPO_ASSIGN_OR_RETURN(const nlohmann::ordered_json one, Row(command, row));
    rows += one.dump();
    rows += '\n';
  }
  return WriteFileAtomically(FileSystem::Posix(), command.out, rows);
}

}  // namespace tpo
