// The built-in sequence verifier behind faults: every answer takes as long as drawn, some of them
// ten times as long, and some are errors. For bench/verifier_resilience/run.py.
//
//   faulty_verifier --listen 127.0.0.1:0 --median_ms 20 --sigma 0.25 --error_rate 0.05
//                   --slow_rate 0.02 --slow_factor 10
//
// A latency is log-normal around the median (around slow_factor times the median for a part
// slow_rate of the calls: with 2 %, the p99 is slow_factor times the median). An error is
// UNAVAILABLE, after the whole latency. Serves any number of calls at a time; one thread keeps the
// time, so that a call that waits costs nothing.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "services/grpc/convert.h"
#include "services/grpc/signals.h"
#include "tpo/v1/verifier.grpc.pb.h"
#include "verifier/sequence_verifier.h"

namespace tpo {
namespace {

struct Faults {
  double median_ms = 20.0;
  double sigma = 0.25;
  double error_rate = 0.0;
  double slow_rate = 0.0;
  double slow_factor = 10.0;
  uint64_t seed = 1;
};

// Calls functions at their times, on one thread.
class Timetable {
 public:
  Timetable() : thread_([this] { Run(); }) {}
  ~Timetable() {
    {
      const absl::MutexLock lock(&mutex_);
      ending_ = true;
    }
    thread_.join();
  }
  void At(absl::Time time, std::function<void()> what) {
    const absl::MutexLock lock(&mutex_);
    entries_.emplace(time, std::move(what));
  }

 private:
  void Run() {
    while (true) {
      std::function<void()> what;
      {
        const absl::MutexLock lock(&mutex_);
        const auto due = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
          return ending_ || (!entries_.empty() && entries_.begin()->first <= absl::Now());
        };
        while (!due()) {
          const absl::Time next =
              entries_.empty() ? absl::InfiniteFuture() : entries_.begin()->first;
          const auto changed = [this, next]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
            return ending_ || (!entries_.empty() && entries_.begin()->first < next);
          };
          mutex_.AwaitWithDeadline(absl::Condition(&changed), next);
        }
        if (ending_) return;
        what = std::move(entries_.begin()->second);
        entries_.erase(entries_.begin());
      }
      what();
    }
  }

  absl::Mutex mutex_;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<absl::Time, std::function<void()>> entries_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class FaultyVerifier : public v1::VerifierService::CallbackService {
 public:
  explicit FaultyVerifier(const Faults& faults) : faults_(faults), random_(faults.seed) {}

  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override {
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    const Fate fate = Draw();
    const grpc::Status status = fate.error ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "injected")
                                           : Judge(*request, response);
    timetable_.At(absl::Now() + fate.latency, [reactor, status] { reactor->Finish(status); });
    return reactor;
  }

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const v1::DescribeRequest*,
                                     v1::DescribeResponse* response) override {
    ToProto(*verifier_.Describe(), response);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  struct Fate {
    absl::Duration latency;
    bool error = false;
  };

  Fate Draw() {
    const absl::MutexLock lock(&mutex_);
    std::lognormal_distribution<double> spread(0.0, faults_.sigma);
    std::uniform_real_distribution<double> chance(0.0, 1.0);
    double milliseconds = faults_.median_ms * spread(random_);
    if (chance(random_) < faults_.slow_rate) milliseconds *= faults_.slow_factor;
    return {absl::Milliseconds(milliseconds), chance(random_) < faults_.error_rate};
  }

  grpc::Status Judge(const v1::VerifyRequest& request, v1::VerifyResponse* response) {
    const absl::StatusOr<VerifyRequest> group = FromProto(request);
    if (!group.ok())
      return {grpc::StatusCode::INVALID_ARGUMENT, std::string(group.status().message())};
    const auto verdicts = verifier_.Verify(*group);
    if (!verdicts.ok())
      return {grpc::StatusCode::INVALID_ARGUMENT, std::string(verdicts.status().message())};
    for (const Verdict& verdict : *verdicts) ToProto(verdict, response->add_verdicts());
    return grpc::Status::OK;
  }

  const Faults faults_;
  SequenceVerifier verifier_;
  Timetable timetable_;
  absl::Mutex mutex_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);
};

int Serve(const std::string& listen, const Faults& faults) {
  absl::Notification told_to_end;
  const SignalWaiter signals([&told_to_end](int) { told_to_end.Notify(); });
  FaultyVerifier service(faults);
  int port = 0;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) return 1;
  std::printf("listening on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  told_to_end.WaitForNotification();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  return 0;
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) {
  CLI::App app("A verifier with injected latency and errors");
  std::string listen = "127.0.0.1:0";
  tpo::Faults faults;
  app.add_option("--listen", listen);
  app.add_option("--median_ms", faults.median_ms);
  app.add_option("--sigma", faults.sigma);
  app.add_option("--error_rate", faults.error_rate);
  app.add_option("--slow_rate", faults.slow_rate);
  app.add_option("--slow_factor", faults.slow_factor);
  app.add_option("--seed", faults.seed);
  CLI11_PARSE(app, argc, argv);
  return tpo::Serve(listen, faults);
}
