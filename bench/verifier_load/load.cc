#include "bench/verifier_load/load.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "grpcpp/client_context.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(60);

// One load. A worker is a chain of calls: the end of each begins the next, on gRPC's threads.
class Load {
 public:
  Load(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
       const std::vector<v1::VerifyRequest>& requests, const LoadOptions& options,
       CallStatistics* statistics)
      : requests_(requests), options_(options), statistics_(statistics) {
    for (const auto& channel : channels) stubs_.push_back(v1::VerifierService::NewStub(channel));
  }

  LoadResult Run() {
    start_ = absl::Now();
    end_ = start_ + options_.time;
    {
      absl::MutexLock lock(&mutex_);
      active_ = options_.workers;
    }
    for (int i = 0; i < options_.workers; ++i) StartNext();
    ReportProgress();
    absl::MutexLock lock(&mutex_);
    const auto is_done = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return active_ == 0; };
    mutex_.Await(absl::Condition(&is_done));
    return {.elapsed = absl::Now() - start_, .completions = completions_, .wrong = wrong_};
  }

 private:
  struct OpenCall {
    grpc::ClientContext context;
    v1::VerifyResponse response;
    absl::Time start;
    int completions = 0;
  };

  void StartNext() {
    const int64_t number = begun_++;
    if (number >= options_.groups || absl::Now() >= end_) {
      absl::MutexLock lock(&mutex_);
      --active_;
      return;
    }
    const v1::VerifyRequest& request = requests_[number % requests_.size()];
    auto call = std::make_shared<OpenCall>();
    call->start = absl::Now();
    call->completions = request.completions_size();
    call->context.set_deadline(absl::ToChronoTime(call->start + kDeadline));
    if (options_.cancel) CancelTheOldest(call);
    stubs_[number % stubs_.size()]->async()->Verify(
        &call->context, &request, &call->response,
        [this, call](const grpc::Status& status) mutable {
          Record(*call, status);
          // Before anybody may learn that this was the last one.
          call.reset();
          StartNext();
        });
  }

  // Half of the workers' calls stay open.
  void CancelTheOldest(const std::shared_ptr<OpenCall>& newest) {
    std::shared_ptr<OpenCall> oldest;
    {
      absl::MutexLock lock(&mutex_);
      open_.push_back(newest);
      if (open_.size() <= static_cast<size_t>(options_.workers) / 2) return;
      oldest = std::move(open_.front());
      open_.pop_front();
    }
    oldest->context.TryCancel();
  }

  void Record(const OpenCall& call, const grpc::Status& status) {
    statistics_->Add(status.error_code(), absl::Now() - call.start);
    absl::MutexLock lock(&mutex_);
    ++ended_;
    if (!status.ok()) return;
    completions_ += call.completions;
    wrong_ += IsRight(call) ? 0 : 1;
  }

  static bool IsRight(const OpenCall& call) {
    const auto& verdicts = call.response.verdicts();
    return verdicts.size() == call.completions &&
           std::all_of(verdicts.begin(), verdicts.end(), [](const v1::Verdict& verdict) {
             return verdict.kind() == v1::VERDICT_KIND_SCORED;
           });
  }

  void ReportProgress() {
    if (options_.on_progress == nullptr || options_.groups == INT64_MAX) return;
    for (int step = 1; step <= options_.progress_steps; ++step) {
      const int64_t goal = options_.groups * step / options_.progress_steps;
      {
        absl::MutexLock lock(&mutex_);
        const auto is_there = [this, goal]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return ended_ >= goal || active_ == 0;
        };
        mutex_.Await(absl::Condition(&is_there));
      }
      options_.on_progress(goal);
    }
  }

  const std::vector<v1::VerifyRequest>& requests_;
  const LoadOptions& options_;
  CallStatistics* const statistics_;
  std::vector<std::unique_ptr<v1::VerifierService::Stub>> stubs_;
  absl::Time start_;
  absl::Time end_;
  std::atomic<int64_t> begun_ = 0;
  absl::Mutex mutex_;
  int active_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t completions_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t wrong_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::shared_ptr<OpenCall>> open_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

LoadResult RunLoad(const std::vector<std::shared_ptr<grpc::Channel>>& channels,
                   const std::vector<v1::VerifyRequest>& requests, const LoadOptions& options,
                   CallStatistics* statistics) {
  return Load(channels, requests, options, statistics).Run();
}

}  // namespace tpo
