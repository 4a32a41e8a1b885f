// What `tpo dataset` does.
#ifndef TPO_SERVICES_CLI_DATASET_COMMAND_H_
#define TPO_SERVICES_CLI_DATASET_COMMAND_H_

#include "absl/status/status.h"
#include "services/cli/command_line.h"

namespace tpo {

// Writes the rows, as policy/dataset/jsonl_dataset.h reads them, in one piece: the file is there
// whole or as it was. INVALID_ARGUMENT: parameters with which there are no puzzles.
absl::Status WriteDataset(const DatasetCommand& command);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_DATASET_COMMAND_H_
