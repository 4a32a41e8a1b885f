// A run's directory on disk: who may write into it, where each file is, and what a resume has to
// cut.
//
//   config.yaml     as resolved                     metrics.jsonl   one object a step
//   eval.jsonl      evaluations                     groups.jsonl    inspected groups;
//   groups.jsonl.1 is the older part summary.json    final figures                   checkpoints/
//   see learner/checkpoint.h report.html     `tpo report`                    events.out.tfevents.*
//   TensorBoard .lock           held (flock) by the learner that writes here
//
// A learner starts like this: Open, then CutFrom the step it goes on at when there is a run to
// resume, then WriteConfig, then MakeRunObservers (run_observers.h). Readers (report, inspect) need
// only RunPaths and no lock.
//
// Not thread-safe. The lock lives as long as the object, and dies with the process.
#ifndef TPO_SERVICES_RUN_DIRECTORY_RUN_DIRECTORY_H_
#define TPO_SERVICES_RUN_DIRECTORY_RUN_DIRECTORY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/run_directory/run_usage.h"

namespace tpo {

struct RunPaths {
  explicit RunPaths(const std::string& directory);

  std::string directory;
  std::string config;
  std::string metrics;
  std::string eval;
  std::string groups;
  std::string groups_older;
  std::string summary;
  std::string checkpoints;
  std::string report;
  std::string lock;
};

enum class RunDirectoryMode {
  kNew,     // refuses a directory that holds a run
  kResume,  // takes up the run that is there; one that holds none begins a new one, so that a
            // restart may always resume
};

class RunDirectory {
 public:
  // Creates `path` with its parents and checkpoints/, and locks it.
  // FAILED_PRECONDITION: it holds a run and the mode is kNew. UNAVAILABLE: another process has the
  // lock. Other codes: it couldn't be created or written.
  static absl::StatusOr<std::unique_ptr<RunDirectory>> Open(const std::string& path,
                                                            RunDirectoryMode mode);

  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  ~RunDirectory();

  const RunPaths& paths() const { return paths_; }

  // Whether there was a run to resume.
  bool holds_run() const { return holds_run_; }

  // Removes what a run that goes on at `step` will write again: records at or after `step` in
  // metrics.jsonl, eval.jsonl and groups.jsonl, lines that a crash tore, and summary.json. Each
  // file is replaced atomically, so a crash in between leaves a directory on which this can be
  // called again.
  absl::Status CutFrom(int64_t step);

  // The step that CutFrom was told; 0 before.
  int64_t first_step() const { return first_step_; }

  // Replaces config.yaml atomically.
  absl::Status WriteConfig(const std::string& yaml);

  // What the earlier processes of this run used, as far as their files tell (a killed one: up to
  // its last step).
  const ResourceUsage& previous_usage() const { return previous_usage_; }

 private:
  RunDirectory(const std::string& path, int lock_fd);

  const RunPaths paths_;
  const int lock_fd_;
  bool holds_run_ = false;
  int64_t first_step_ = 0;
  ResourceUsage previous_usage_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_RUN_DIRECTORY_H_
