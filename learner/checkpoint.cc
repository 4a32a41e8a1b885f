#include "learner/checkpoint.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "learner/checkpoint_format.h"
#include "policy/safetensors.h"

namespace tpo {
namespace {

constexpr std::string_view kStepPrefix = "step_";
// Of folders that are being made or removed.
constexpr std::string_view kTemporaryPrefix = ".tmp_";

std::string FolderName(int64_t step) { return absl::StrFormat("step_%08d", step); }

std::optional<int64_t> StepOf(const std::string& name) {
  if (name.compare(0, kStepPrefix.size(), kStepPrefix) != 0) return std::nullopt;
  int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data() + kStepPrefix.size(), end, step);
  if (error != std::errc() || rest != end || FolderName(step) != name) return std::nullopt;
  return step;
}

SafetensorsPieces ModelPieces(const CheckpointData& data) {
  return data.in_place != nullptr ? SafetensorsPieces(data.in_place->model)
                                  : SafetensorsPieces(*data.model);
}

SafetensorsPieces OptimizerPieces(const CheckpointData& data) {
  return data.in_place != nullptr ? SafetensorsPieces(data.in_place->optimizer)
                                  : SafetensorsPieces(data.optimizer);
}

bool IsTemporary(const std::string& name) {
  return name.compare(0, kTemporaryPrefix.size(), kTemporaryPrefix) == 0;
}

// Reads the files of one folder and holds each against the manifest.
class FolderReader {
 public:
  FolderReader(FileSystem* file_system, std::string folder)
      : file_system_(file_system), folder_(std::move(folder)) {}

  absl::StatusOr<CheckpointData> Read() {
    absl::StatusOr<CheckpointData> data = ReadWithoutTensors();
    TPO_RETURN_IF_ERROR(data.status());
    TPO_ASSIGN_OR_RETURN(TensorBundle model, ReadTensors(kModelFile));
    data->model = std::make_shared<const TensorBundle>(std::move(model));
    TPO_ASSIGN_OR_RETURN(data->optimizer, ReadTensors(kOptimizerFile));
    return data;
  }

  absl::StatusOr<CheckpointData> ReadWithoutTensors() {
    TPO_ASSIGN_OR_RETURN(const std::string text, ReadExisting(kManifestFile));
    absl::StatusOr<CheckpointManifest> manifest = ParseManifest(text);
    if (!manifest.ok()) return Damaged(kManifestFile, manifest.status().message());
    manifest_ = *std::move(manifest);

    TPO_ASSIGN_OR_RETURN(const std::string state, ReadChecked(kStateFile));
    absl::StatusOr<CheckpointData> data = ParseState(state);
    if (!data.ok()) return Damaged(kStateFile, data.status().message());
    return data;
  }

  // After ReadWithoutTensors: whether the file is as it was written, of these pieces.
  bool Holds(const char* name, const SafetensorsPieces& pieces) const {
    const auto written = manifest_.find(name);
    return written != manifest_.end() && written->second == FactsOf(pieces.pieces()) &&
           ReadChecked(name).ok();
  }

 private:
  absl::Status Damaged(const char* name, absl::string_view reason) const {
    return absl::DataLossError(
        absl::StrCat("checkpoint file ", JoinPath(folder_, name), " is damaged: ", reason));
  }

  absl::StatusOr<std::string> ReadExisting(const char* name) const {
    absl::StatusOr<std::string> content = file_system_->ReadFile(JoinPath(folder_, name));
    if (absl::IsNotFound(content.status())) return Damaged(name, "it is missing");
    // How a failing device reports itself (EIO).
    if (absl::IsUnknown(content.status())) return Damaged(name, content.status().message());
    return content;
  }

  absl::StatusOr<std::string> ReadChecked(const char* name) const {
    const auto expected = manifest_.find(name);
    if (expected == manifest_.end()) return Damaged(kManifestFile, absl::StrCat("no ", name));
    TPO_ASSIGN_OR_RETURN(std::string content, ReadExisting(name));
    const FileFacts facts = FactsOf({content});
    if (facts.size_bytes != expected->second.size_bytes) {
      return Damaged(name, absl::StrCat("it has ", facts.size_bytes, " bytes, ",
                                        expected->second.size_bytes, " were written"));
    }
    if (facts.crc32c != expected->second.crc32c) return Damaged(name, "its crc32c doesn't match");
    return content;
  }

  absl::StatusOr<TensorBundle> ReadTensors(const char* name) const {
    TPO_ASSIGN_OR_RETURN(const std::string content, ReadChecked(name));
    absl::StatusOr<TensorBundle> bundle = ParseSafetensors(content);
    if (!bundle.ok()) return Damaged(name, bundle.status().message());
    return bundle;
  }

  FileSystem* const file_system_;
  const std::string folder_;
  CheckpointManifest manifest_;
};

}  // namespace

CheckpointStore::CheckpointStore(std::string directory, FileSystem* file_system, int keep)
    : directory_(std::move(directory)), file_system_(file_system), keep_(keep) {
  assert(keep_ >= 1);
}

absl::StatusOr<CheckpointStore> CheckpointStore::Open(std::string directory,
                                                      FileSystem* file_system, int keep) {
  TPO_RETURN_IF_ERROR(file_system->CreateDirectory(directory));
  TPO_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system->List(directory));
  CheckpointStore store(std::move(directory), file_system, keep);
  for (const std::string& name : names) {
    if (IsTemporary(name)) TPO_RETURN_IF_ERROR(store.Discard(name));
  }
  // A process that died between a checkpoint's rename and its sync left a name that a power failure
  // would take away again from the run that goes on from it.
  TPO_RETURN_IF_ERROR(file_system->SyncDirectory(store.directory_));
  return store;
}

std::string CheckpointStore::PathOf(int64_t step) const {
  return JoinPath(directory_, FolderName(step));
}

CheckpointStore CheckpointStore::ForReading(std::string directory, FileSystem* file_system) {
  return CheckpointStore(std::move(directory), file_system, /*keep=*/1);
}

absl::StatusOr<std::string> CheckpointStore::Save(const CheckpointData& data) {
  const std::string path = PathOf(data.step);
  TPO_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, Steps());
  const bool exists = std::find(steps.begin(), steps.end(), data.step) != steps.end();
  if (!exists || !HoldsTheSame(data)) {
    const std::string name = absl::StrCat(std::string(kTemporaryPrefix), FolderName(data.step));
    const std::string temporary = JoinPath(directory_, name);
    absl::Status status = WriteFiles(temporary, data);
    // What there is of this step gives way only now that there is a sound one of this course. A
    // crash in between leaves the checkpoint from which this course began.
    if (status.ok() && exists) status = Discard(FolderName(data.step));
    if (status.ok()) status = Publish(temporary, data.step);
    if (!status.ok()) {
      Discard(name).IgnoreError();
      return status;
    }
  } else {
    // Who put it there may have failed to make its name durable.
    TPO_RETURN_IF_ERROR(file_system_->SyncDirectory(directory_));
  }
  Prune(data.step);
  return path;
}

bool CheckpointStore::HoldsTheSame(const CheckpointData& data) const {
  FolderReader there(file_system_, PathOf(data.step));
  const absl::StatusOr<CheckpointData> state = there.ReadWithoutTensors();
  return state.ok() && state->step == data.step && state->run_id == data.run_id &&
         there.Holds(kModelFile, ModelPieces(data)) &&
         there.Holds(kOptimizerFile, OptimizerPieces(data));
}

absl::Status CheckpointStore::WriteFiles(const std::string& folder,
                                         const CheckpointData& data) const {
  TPO_RETURN_IF_ERROR(file_system_->CreateDirectory(folder));
  CheckpointManifest manifest;
  const auto write = [&](const char* name, absl::Span<const std::string_view> pieces) {
    manifest[name] = FactsOf(pieces);
    return file_system_->WriteFile(JoinPath(folder, name), pieces);
  };
  const SafetensorsPieces model = ModelPieces(data);
  const SafetensorsPieces optimizer = OptimizerPieces(data);
  TPO_RETURN_IF_ERROR(write(kModelFile, model.pieces()));
  TPO_RETURN_IF_ERROR(write(kOptimizerFile, optimizer.pieces()));
  TPO_RETURN_IF_ERROR(write(kStateFile, {FormatState(data)}));
  const std::string text = FormatManifest(manifest);
  TPO_RETURN_IF_ERROR(file_system_->WriteFile(JoinPath(folder, kManifestFile), {text}));
  return file_system_->SyncDirectory(folder);
}

absl::Status CheckpointStore::Publish(const std::string& temporary, int64_t step) const {
  TPO_RETURN_IF_ERROR(file_system_->Rename(temporary, PathOf(step)));
  return file_system_->SyncDirectory(directory_);
}

absl::Status CheckpointStore::Discard(const std::string& name) const {
  if (IsTemporary(name)) return RemoveFolder(JoinPath(directory_, name));
  // First out of sight as a whole: a crash half-way must not leave a part of it under its name.
  const std::string hidden =
      JoinPath(directory_, absl::StrCat(std::string(kTemporaryPrefix), "removed_", name));
  TPO_RETURN_IF_ERROR(file_system_->Rename(JoinPath(directory_, name), hidden));
  return RemoveFolder(hidden);
}

absl::Status CheckpointStore::RemoveFolder(const std::string& folder) const {
  TPO_ASSIGN_OR_RETURN(const std::vector<std::string> files, file_system_->List(folder));
  for (const std::string& file : files) {
    TPO_RETURN_IF_ERROR(file_system_->RemoveFile(JoinPath(folder, file)));
  }
  return file_system_->RemoveDirectory(folder);
}

void CheckpointStore::Prune(int64_t newest) const {
  const absl::StatusOr<std::vector<int64_t>> steps = Steps();
  if (!steps.ok()) return;
  int kept = 0;
  for (auto step = steps->rbegin(); step != steps->rend(); ++step) {
    if (*step <= newest && ++kept <= keep_) continue;
    Discard(FolderName(*step)).IgnoreError();
  }
}

absl::StatusOr<std::vector<int64_t>> CheckpointStore::Steps() const {
  TPO_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system_->List(directory_));
  std::vector<int64_t> steps;
  for (const std::string& name : names) {
    if (const std::optional<int64_t> step = StepOf(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

absl::StatusOr<LoadedCheckpoint> CheckpointStore::Load(int64_t step) const {
  TPO_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, Steps());
  if (std::find(steps.begin(), steps.end(), step) == steps.end()) {
    return absl::NotFoundError(absl::StrCat("no checkpoint of step ", step, " in ", directory_));
  }
  LoadedCheckpoint loaded;
  loaded.path = PathOf(step);
  TPO_ASSIGN_OR_RETURN(loaded.data, FolderReader(file_system_, loaded.path).Read());
  if (loaded.data.step != step) {
    return absl::DataLossError(absl::StrCat("checkpoint file ", JoinPath(loaded.path, kStateFile),
                                            " is of step ", loaded.data.step));
  }
  return loaded;
}

absl::StatusOr<std::optional<LoadedCheckpoint>> CheckpointStore::LoadNewest() const {
  TPO_ASSIGN_OR_RETURN(const std::vector<int64_t> steps, Steps());
  std::string faults;
  int passed_over = 0;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    absl::StatusOr<LoadedCheckpoint> loaded = Load(*step);
    if (loaded.ok()) {
      loaded->passed_over = passed_over;
      if (passed_over > 0) loaded->warning = absl::StrCat(faults, "; going back to step ", *step);
      return *std::move(loaded);
    }
    // Anything else, such as a lack of permission, isn't the checkpoint's fault and must not be
    // passed over.
    if (!absl::IsDataLoss(loaded.status())) return loaded.status();
    ++passed_over;
    absl::StrAppend(&faults, faults.empty() ? "" : "; ", loaded.status().message());
  }
  if (steps.empty()) return std::nullopt;
  return absl::DataLossError(absl::StrCat("no sound checkpoint in ", directory_, ": ", faults));
}

}  // namespace tpo
