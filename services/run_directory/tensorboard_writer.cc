#include "services/run_directory/tensorboard_writer.h"

#include <unistd.h>

#include <atomic>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "core/file_system.h"
#include "core/status_macros.h"
#include "services/run_directory/tensorboard_event.h"

namespace tpo {
namespace {

double UnixSeconds() { return absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()); }

// TensorBoard reads the files of a folder in the order of their names, hence the time in front.
std::string FileName() {
  static std::atomic<int> files_of_this_process = 0;
  char host[256] = "localhost";
  ::gethostname(host, sizeof(host) - 1);
  return absl::StrFormat("events.out.tfevents.%010d.%s.%d.%d", absl::ToUnixSeconds(absl::Now()),
                         host, ::getpid(), files_of_this_process++);
}

std::vector<TensorBoardScalar> Scalars(const StepRecord& record) {
  std::vector<TensorBoardScalar> scalars = {
      {"train/loss", record.loss},
      {"train/loss_last_epoch", record.loss_last_epoch},
      {"train/reward_mean", record.reward_mean},
      {"train/reward_std", record.reward_std},
      {"train/grad_norm", record.grad_norm},
      {"train/clip_fraction", record.clip_fraction},
      {"target/zero_variance_fraction", record.zero_variance_fraction},
      {"target/all_fail_fraction", record.all_fail_fraction},
      {"rollout/staleness_mean", record.staleness_mean},
      {"rollout/staleness_max", static_cast<double>(record.staleness_max)},
      {"rollout/logprob_mismatch", record.logprob_mismatch},
      {"rollout/token_entropy", record.token_entropy},
      {"rollout/tokens_total", static_cast<double>(record.tokens_total)},
      {"seconds/step_seconds", record.step_seconds},
      {"seconds/rollout_seconds", record.rollout_seconds},
      {"seconds/train_seconds", record.train_seconds},
  };
  const auto add = [&scalars](const char* tag, const std::optional<double>& value) {
    if (value.has_value()) scalars.push_back({tag, *value});
  };
  add("target/target_entropy", record.target_entropy);
  add("target/anchor_entropy", record.anchor_entropy);
  add("target/target_kl", record.target_kl);
  add("target/target_distance", record.target_distance);
  if (record.has_error) scalars.push_back({"train/error", record.error});
  return scalars;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TensorBoardWriter>> TensorBoardWriter::Open(
    const std::string& directory, std::optional<int64_t> resumed_at,
    const RecordFileOptions& options) {
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<RecordFile> file,
                       RecordFile::Open(JoinPath(directory, FileName()), options));
  TPO_RETURN_IF_ERROR(file->Append(FrameTfRecord(EncodeFileVersionEvent(UnixSeconds()))));
  if (resumed_at) {
    TPO_RETURN_IF_ERROR(
        file->Append(FrameTfRecord(EncodeRestartEvent(UnixSeconds(), *resumed_at))));
  }
  return std::unique_ptr<TensorBoardWriter>(new TensorBoardWriter(std::move(file)));
}

TensorBoardWriter::TensorBoardWriter(std::unique_ptr<RecordFile> file) : file_(std::move(file)) {}

void TensorBoardWriter::OnStep(const StepRecord& record) {
  const std::string event = EncodeScalarsEvent(UnixSeconds(), record.step, Scalars(record));
  errors_.Note(file_->Append(FrameTfRecord(event)));
}

absl::Status TensorBoardWriter::Finish(const RunOutcome& /*outcome*/) {
  errors_.Note(file_->Append(""));
  return errors_.first();
}

}  // namespace tpo
