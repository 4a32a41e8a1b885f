#include "tests/simulation/simulated_worker.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "tests/simulation/model.h"

namespace tpo::simulation {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(4);
constexpr absl::Duration kWeightsPoll = absl::Milliseconds(200);

}  // namespace

SimulatedWorker::SimulatedWorker(const Scenario& scenario, int number, EventLoop* loop,
                                 Network* network, SimulatedLearner* learner, Auditor* auditor,
                                 Random random)
    : scenario_(scenario),
      number_(number),
      loop_(loop),
      network_(network),
      learner_(learner),
      auditor_(auditor),
      random_(random) {}

void SimulatedWorker::Start() {
  ++process_;
  running_ = true;
  worker_id_.clear();
  clock_rate_ = 0.5 + random_.Uniform();
  slow_subscriber_ = !network_->healed() && random_.Chance(scenario_.slow_subscriber);
  stream_failures_ = 0;
  loops_.clear();
  for (int i = 0; i < scenario_.leases_per_worker; ++i) {
    loops_.push_back(std::make_shared<Loop>());
    loops_.back()->awaits_registration = true;
  }
  Register();
}

void SimulatedWorker::Kill() {
  if (!running_) return;
  loop_->Say("worker ", number_, ": dead");
  auditor_->Saw("deaths of workers");
  running_ = false;
  learner_->CloseStream(stream_);
  stalled_until_ = loop_->now();
  loop_->After(random_.Between(absl::Milliseconds(100), absl::Seconds(5)), [this] { Start(); });
}

void SimulatedWorker::Leave() {
  if (!running_) return;
  auditor_->Saw("workers that left");
  loop_->Say("worker ", number_, ": leaves");
  network_->Call<bool>(
      number_, kCallTimeout,
      [this, worker_id = worker_id_]() -> absl::StatusOr<bool> {
        const absl::Status status = learner_->Deregister(worker_id);
        if (!status.ok()) return status;
        return true;
      },
      [this, process = process_](const absl::StatusOr<bool>& /*answer*/) {
        Wake(process, [this] { Kill(); });
      });
}

void SimulatedWorker::Stall(absl::Duration time) {
  loop_->Say("worker ", number_, ": stands still for ", absl::FormatDuration(time));
  auditor_->Saw("stalls of workers");
  stalled_until_ = loop_->now() + time;
}

void SimulatedWorker::Later(absl::Duration delay, std::function<void()> event) {
  loop_->After(delay,
               [this, process = process_, event = std::move(event)] { Wake(process, event); });
}

void SimulatedWorker::Wake(uint64_t process, const std::function<void()>& event) {
  if (!running_ || process != process_) return;
  if (loop_->now() < stalled_until_) {
    loop_->After(stalled_until_ - loop_->now(), [this, process, event] { Wake(process, event); });
    return;
  }
  event();
}

absl::Duration SimulatedWorker::Pause(int failures) {
  return std::min(absl::Milliseconds(20) * (1 << std::min(failures, 7)), absl::Seconds(2));
}

void SimulatedWorker::Register() {
  registering_ = true;
  network_->Call<RunInfo>(
      number_, kCallTimeout, [this] { return learner_->Register("worker"); },
      [this, process = process_](const absl::StatusOr<RunInfo>& run) {
        Wake(process, [this, run] {
          if (run.ok()) return OnRegistered(*run);
          Later(random_.Between(absl::Milliseconds(50), absl::Seconds(1)), [this] { Register(); });
        });
      });
}

void SimulatedWorker::OnRegistered(const RunInfo& run) {
  registering_ = false;
  worker_id_ = run.worker_id;
  assembler_.Forget();
  newest_ = nullptr;
  OpenStream();
  const std::vector<LoopPointer> loops = loops_;
  for (const LoopPointer& loop : loops) {
    if (!std::exchange(loop->awaits_registration, false)) continue;
    loop->worker_id = worker_id_;
    loop->version = -1;
    if (std::exchange(loop->has_groups, false)) {
      Submit(loop);
    } else {
      NextTurn(loop);
    }
  }
}

void SimulatedWorker::OpenStream() {
  learner_->CloseStream(stream_);
  static_assert(sizeof(stream_) == 8);
  stream_ = (static_cast<uint64_t>(number_) << 32) + (stream_ & 0xFFFFFFFF) + 1;
  WeightStream::Options options;
  options.have_version = newest_ == nullptr ? -1 : newest_->version;
  options.resume_version = assembler_.held_version();
  options.resume_bytes = assembler_.held_bytes();
  options.frame_bytes = scenario_.frame_bytes;
  options.write_time = scenario_.latency / 20 * (slow_subscriber_ ? 50 : 1);
  last_arrival_ = loop_->now();
  network_->Call<bool>(
      number_, kCallTimeout,
      [this, stream = stream_, worker_id = worker_id_, options]() -> absl::StatusOr<bool> {
        if (stream != stream_ || !running_) return true;
        const absl::Status status =
            learner_->OpenStream(stream, worker_id, options, StreamSender(stream), [this, stream] {
              Later(network_->Latency(), [this, stream] {
                OnStreamBroken(stream, absl::CancelledError("the run is over"));
              });
            });
        if (!status.ok()) return status;
        return true;
      },
      [this, stream = stream_, process = process_](const absl::StatusOr<bool>& opened) {
        if (opened.ok()) return;
        Wake(process, [this, stream, opened] { OnStreamBroken(stream, opened.status()); });
      });
}

WeightStream::Send SimulatedWorker::StreamSender(uint64_t stream) {
  // A message that is lost is a connection that is lost: what came before it stays in order.
  return [this, stream, process = process_](StreamMessage message) {
    if (!running_ || process != process_ || stream != stream_) return false;
    const bool lost =
        !network_->healed() && (network_->IsCut(number_) || random_.Chance(scenario_.loss / 4));
    last_arrival_ = std::max(last_arrival_, loop_->now() + network_->Latency());
    const absl::Duration delay = last_arrival_ - loop_->now();
    if (lost) {
      Later(delay + absl::Seconds(1),
            [this, stream] { OnStreamBroken(stream, absl::UnavailableError("connection lost")); });
      return false;
    }
    const bool corrupt = !network_->healed() && random_.Chance(scenario_.corrupt_frame);
    if (corrupt && !message.frame.empty()) {
      auditor_->Saw("corrupt frames");
      message.frame.front() ^= std::byte{1};
    }
    Later(delay, [this, stream, message = std::move(message)] { OnMessage(stream, message); });
    return true;
  };
}

void SimulatedWorker::OnMessage(uint64_t stream, const StreamMessage& message) {
  if (stream != stream_) return;
  const WeightVersion held = newest_ == nullptr ? -1 : newest_->version;
  absl::Status status = message.frame.empty()
                            ? assembler_.Begin(message.manifest, held)
                            : assembler_.Add(message.version, message.offset_bytes, message.frame);
  if (status.ok() && assembler_.complete()) {
    auto snapshot = assembler_.Take();
    status = snapshot.status();
    if (snapshot.ok()) {
      stream_failures_ = 0;
      auditor_->OnReceive(**snapshot, held);
      newest_ = *std::move(snapshot);
      loop_->Say("worker ", number_, ": holds version ", newest_->version);
    }
  }
  if (!status.ok()) OnStreamBroken(stream, status);
}

void SimulatedWorker::OnStreamBroken(uint64_t stream, const absl::Status& status) {
  if (stream != stream_) return;
  learner_->CloseStream(stream);
  ++stream_;  // whatever still comes of it is nobody's
  auditor_->Saw("streams that broke");
  // The loops find out by themselves that the run is over, or that they aren't known.
  if (absl::IsCancelled(status) && learner_->finished()) return;
  Later(Pause(++stream_failures_), [this, expected = stream_] {
    if (expected == stream_) OpenStream();
  });
}

void SimulatedWorker::NextTurn(const LoopPointer& loop) {
  if (loop->worker_id != worker_id_) {
    loop->worker_id = worker_id_;
    loop->version = -1;
  }
  Load(*loop);
  if (loop->version < 0) {
    // Leasing tells whether the learner still knows this worker.
    if (newest_ == nullptr && loop->failures++ % 8 != 7) {
      return Later(kWeightsPoll, [this, loop] { NextTurn(loop); });
    }
  }
  network_->Call<LeaseAnswer>(
      number_, kCallTimeout,
      [this, worker_id = loop->worker_id]() -> absl::StatusOr<LeaseAnswer> {
        auto result = learner_->LeasePrompts(worker_id);
        if (!result.ok()) return result.status();
        return LeaseAnswer{*std::move(result), learner_->life()};
      },
      [this, loop, process = process_](const absl::StatusOr<LeaseAnswer>& answer) {
        Wake(process, [this, loop, answer] { OnLeaseAnswer(loop, answer); });
      });
}

void SimulatedWorker::OnLeaseAnswer(const LoopPointer& loop,
                                    const absl::StatusOr<LeaseAnswer>& answer) {
  if (absl::IsNotFound(answer.status())) return RegisterAgain(loop);
  if (!answer.ok()) {
    return Later(Pause(++loop->failures), [this, loop] { NextTurn(loop); });
  }
  loop->failures = 0;
  if (const NoLease* none = std::get_if<NoLease>(&answer->result)) {
    if (none->finished) {
      auditor_->Require(learner_->finished(), "a worker ends only when the run is over");
      return;
    }
    if (none->draining) auditor_->Saw("workers that wait for a learner that ends");
    return Later(none->retry_after * random_.Int(1, 10), [this, loop] { NextTurn(loop); });
  }
  loop->lease = std::get<Lease>(answer->result);
  loop->life = answer->life;
  loop->deadline = loop_->now() + loop->lease.time_to_live * clock_rate_;
  AwaitWeights(loop);
}

void SimulatedWorker::Load(Loop& loop) {
  if (newest_ == nullptr || newest_->version <= loop.version) return;
  loop.version = newest_->version;
  loop.weights = UnbundleWeights(newest_->weights).value_or(0);
}

void SimulatedWorker::AwaitWeights(const LoopPointer& loop) {
  Load(*loop);
  if (loop->version >= loop->lease.min_weight_version) return Sample(loop);
  if (loop_->now() > loop->deadline) return NextTurn(loop);
  Later(kWeightsPoll, [this, loop] { AwaitWeights(loop); });
}

void SimulatedWorker::Sample(const LoopPointer& loop) {
  const absl::Duration half = random_.Between(absl::ZeroDuration(), scenario_.longest_sampling) / 2;
  Later(half, [this, loop, half] {
    WeightVersion later_version = -1;
    uint64_t later_weights = 0;
    if (scenario_.swap_in_flight && newest_ != nullptr) {
      later_version = newest_->version;
      later_weights = UnbundleWeights(newest_->weights).value_or(0);
    }
    Later(half, [this, loop, later_version, later_weights] {
      MakeGroups(*loop, later_version, later_weights);
      Later(random_.Between(absl::ZeroDuration(), scenario_.longest_verification), [this, loop] {
        Verify(*loop);
        Submit(loop);
      });
    });
  });
}

void SimulatedWorker::MakeGroups(Loop& loop, WeightVersion later_version, uint64_t later_weights) {
  loop.groups.clear();
  const int swap_at = static_cast<int>(random_.Int(0, scenario_.sampling.max_tokens));
  for (const Prompt& prompt : loop.lease.prompts) {
    Group& group = loop.groups.emplace_back();
    group.lease_id = loop.lease.id;
    group.prompt_id = prompt.id;
    for (int k = 0; k < scenario_.sampling.completions_per_prompt; ++k) {
      group.completions.push_back(SampleCompletion(scenario_, prompt.id, k, loop.version,
                                                   loop.weights, swap_at, later_version,
                                                   later_weights));
    }
  }
}

void SimulatedWorker::Verify(Loop& loop) {
  loop.honesty = Honesty::kHonest;
  for (Group& group : loop.groups) {
    const bool fails = !network_->healed() && random_.Chance(scenario_.verifier_failure);
    for (int k = 0; k < scenario_.sampling.completions_per_prompt; ++k) {
      group.verdicts.push_back(fails ? Verdict::Unscored(VerdictKind::kTimedOut, "no answer")
                                     : Judge(scenario_, group.prompt_id, k));
    }
  }
  if (network_->healed() || !random_.Chance(scenario_.lie)) return;
  loop.honesty = Honesty::kMalformed;
  Lie(loop.groups[static_cast<size_t>(
      random_.Int(0, static_cast<int64_t>(loop.groups.size()) - 1))]);
}

void SimulatedWorker::Lie(Group& group) {
  switch (random_.Int(0, 6)) {
    case 0:
      group.completions.pop_back();
      break;
    case 1:
      group.completions.front().behavior_log_probs.front() =
          std::numeric_limits<float>::quiet_NaN();
      break;
    case 2:
      group.completions.front().tokens.front() = scenario_.vocab_size;
      break;
    case 3:
      // A version that nobody has published.
      group.completions.front().weight_versions.back().weight_version += 1000;
      break;
    case 4:
      group.lease_id += 1000;
      break;
    case 5:
      group.prompt_id += 1000;
      break;
    default:
      group.verdicts.front() = Verdict::Scored(std::numeric_limits<double>::infinity());
  }
}

// Other groups for the same lease, each well-formed.
void SimulatedWorker::Alter(Loop& loop) {
  loop.honesty = Honesty::kAltered;
  for (Group& group : loop.groups) {
    group.completions.front().behavior_log_probs.front() -= 0.25F;
  }
}

void SimulatedWorker::Submit(const LoopPointer& loop) {
  const size_t count = loop->groups.size();
  // A stream may break between two groups.
  const bool breaks = !network_->healed() && random_.Chance(scenario_.loss / 2);
  const auto arrive =
      breaks ? static_cast<size_t>(random_.Int(0, static_cast<int64_t>(count) - 1)) : count;
  network_->Call<bool>(
      number_, kCallTimeout,
      [this, worker_id = loop->worker_id, groups = loop->groups, arrive, honesty = loop->honesty,
       life = loop->life] { return SubmitAtLearner(worker_id, groups, arrive, honesty, life); },
      [this, loop, process = process_](const absl::StatusOr<bool>& submitted) {
        Wake(process, [this, loop, status = submitted.status()] { OnSubmitted(loop, status); });
      });
}

absl::StatusOr<bool> SimulatedWorker::SubmitAtLearner(const std::string& worker_id,
                                                      const std::vector<Group>& groups,
                                                      size_t arrive, Honesty honesty,
                                                      uint64_t life) {
  for (size_t i = 0; i < arrive; ++i) {
    const auto result = learner_->Submit(worker_id, groups[i], honesty, life);
    if (!result.ok()) return result.status();
  }
  if (arrive < groups.size()) return absl::UnavailableError("the stream broke");
  return true;
}

void SimulatedWorker::OnSubmitted(const LoopPointer& loop, const absl::Status& status) {
  if (status.ok()) {
    loop->failures = 0;
    const bool lies = !network_->healed() && random_.Chance(scenario_.lie);
    if (!lies || loop->honesty != Honesty::kHonest) return NextTurn(loop);
    Alter(*loop);
    return Submit(loop);
  }
  if (absl::IsNotFound(status)) {
    loop->has_groups = scenario_.stubborn_workers;
    return RegisterAgain(loop);
  }
  if (loop_->now() > loop->deadline) return NextTurn(loop);
  Later(Pause(++loop->failures), [this, loop] { Submit(loop); });
}

void SimulatedWorker::RegisterAgain(const LoopPointer& loop) {
  if (loop->worker_id != worker_id_) {
    // Another loop has done it already.
    loop->worker_id = worker_id_;
    loop->version = -1;
    if (std::exchange(loop->has_groups, false)) return Submit(loop);
    return NextTurn(loop);
  }
  loop->awaits_registration = true;
  if (registering_) return;
  loop_->Say("worker ", number_, ": registers again");
  Register();
}

}  // namespace tpo::simulation
