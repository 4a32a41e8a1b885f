// What people want to see of a run while it goes on: curves, the groups that training laid open
// last, and the last checkpoint. `tpo status` and the learner's status page show it.
//
// Bounded: at most kMostSteps steps, thinned out evenly as the run grows, and kMostGroups groups
// with the beginnings of their texts. Thread-safe: the learner writes, servers read.
#ifndef TPO_CORE_RUN_BOARD_H_
#define TPO_CORE_RUN_BOARD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/role_book.h"
#include "core/step_record.h"
#include "core/types.h"

namespace tpo {

// One step's figures, as in StepRecord.
struct StepFigures {
  int64_t step = 0;
  double reward_mean = 0.0;
  std::optional<double> error;
  double loss = 0.0;
  double step_seconds = 0.0;
  double rollout_seconds = 0.0;
  std::optional<double> target_entropy;
  std::optional<double> anchor_entropy;
  double staleness_max = 0.0;
  double zero_variance_fraction = 0.0;
  uint64_t tokens_total = 0;
  double unscored_fraction = 0.0;  // of the completions trained on

  friend bool operator==(const StepFigures&, const StepFigures&) = default;
};

// One completion of an inspected group.
struct CompletionFigures {
  std::string text;  // its beginning; of its tokens, where there is none
  VerdictKind verdict = VerdictKind::kUnspecified;
  double score = 0.0;
  // Where the objective has them.
  std::optional<double> anchor_probability;
  std::optional<double> target_probability;
  std::optional<double> policy_probability;

  friend bool operator==(const CompletionFigures&, const CompletionFigures&) = default;
};

struct GroupFigures {
  int64_t step = 0;
  uint64_t prompt_id = 0;
  std::string task;
  std::string prompt;  // as the text of a completion
  std::vector<CompletionFigures> completions;

  friend bool operator==(const GroupFigures&, const GroupFigures&) = default;
};

struct RunDetails {
  std::vector<StepFigures> steps;    // ascending
  std::vector<GroupFigures> groups;  // of one step
  std::optional<int64_t> checkpoint_step;
  absl::Duration checkpoint_age;  // where there is a checkpoint
  RoleDetails roles;              // not of the board: who serves the details adds them

  friend bool operator==(const RunDetails&, const RunDetails&) = default;
};

class RunBoard : public StepObserver {
 public:
  static constexpr size_t kMostSteps = 256;
  static constexpr size_t kMostGroups = 8;
  static constexpr size_t kMostCompletions = 64;  // of a group
  static constexpr size_t kMostTextBytes = 200;

  // `clock` outlives the board.
  explicit RunBoard(const Clock* clock) : clock_(clock) {}

  void OnStep(const StepRecord& record) override;
  void OnCheckpoint(int64_t step, double seconds, const std::string& error) override;

  RunDetails Read() const;

 private:
  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  // Steps that are multiples of stride_, but for the newest.
  std::vector<StepFigures> steps_ ABSL_GUARDED_BY(mutex_);
  int64_t stride_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<GroupFigures> groups_ ABSL_GUARDED_BY(mutex_);
  std::optional<int64_t> checkpoint_step_ ABSL_GUARDED_BY(mutex_);
  absl::Duration checkpoint_time_ ABSL_GUARDED_BY(mutex_);
};

// The beginning of `text`, or of the tokens as text where it is empty; cut at the end of a UTF-8
// character, with an ellipsis.
std::string Beginning(const std::string& text, const std::vector<TokenId>& tokens);

}  // namespace tpo

#endif  // TPO_CORE_RUN_BOARD_H_
