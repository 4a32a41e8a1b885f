// Drives a running tpo-verifier and measures it; bench/verifier_load/measure.py starts both and
// makes the tables of docs/results/verifier.md.
//
//   tpo-verifier-load --address 127.0.0.1:50052 --pid $(pidof tpo-verifier) --workers 8 --seconds
//   10
//
// Prints one JSON object: throughput, latency, and what the server used.
#include <iostream>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "bench/verifier_load/load.h"
#include "bench/verifier_load/process_usage.h"
#include "grpcpp/create_channel.h"
#include "nlohmann/json.hpp"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

struct Flags {
  std::string address;
  int pid = 0;
  std::string task = "exact_match/load";
  int workers = 8;
  int completions = 8;
  int tokens = 64;
  double seconds = 0;
  int64_t groups = 0;
  bool cancel = false;
};

// One connection per worker, as apart processes have.
std::vector<std::shared_ptr<grpc::Channel>> Connect(const Flags& flags) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < flags.workers; ++i) {
    channels.push_back(
        grpc::CreateCustomChannel(flags.address, grpc::InsecureChannelCredentials(), arguments));
    channels.back()->GetState(true);
  }
  for (const auto& channel : channels) {
    if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(10)))) return {};
  }
  return channels;
}

// A prompt with an answer of `tokens` tokens and twice as many letters; every other completion is
// right.
v1::VerifyRequest MakeRequest(const Flags& flags, int number) {
  v1::VerifyRequest request;
  v1::Prompt* prompt = request.mutable_prompt();
  prompt->set_id(number);
  prompt->set_task(flags.task);
  const bool text_task = !flags.task.starts_with("sequence/");
  if (text_task) prompt->set_text("Repeat the answer.");
  std::string answer;
  for (int i = 0; i < flags.tokens; ++i) {
    prompt->add_tokens(i % 2);
    prompt->add_reference_tokens((i + number) % 2);
    answer += static_cast<char>('a' + (i + number) % 26);
    answer += ' ';
  }
  answer.pop_back();
  if (text_task) prompt->set_reference_answer(answer);
  for (int k = 0; k < flags.completions; ++k) {
    v1::Completion* completion = request.add_completions();
    *completion->mutable_tokens() = prompt->reference_tokens();
    if (text_task) completion->set_text(answer);
    if (k % 2 == 1) {
      completion->set_tokens(0, 1 - completion->tokens(0));
      if (text_task) completion->mutable_text()->front() = '?';
    }
    completion->mutable_behavior_log_probs()->Resize(flags.tokens, -0.5F);
    completion->set_finish_reason(v1::FINISH_REASON_STOP);
    completion->add_weight_versions()->set_weight_version(1);
  }
  request.set_idempotency_key("load/" + std::to_string(number));
  return request;
}

Json ToJson(const ProcessUsage& usage) {
  return {{"cpu_seconds", absl::ToDoubleSeconds(usage.cpu)},
          {"resident_bytes", usage.resident_bytes},
          {"threads", usage.threads}};
}

int Run(const Flags& flags) {
  const auto channels = Connect(flags);
  if (channels.empty()) {
    std::cerr << "tpo-verifier-load: nobody answers at " << flags.address << "\n";
    return 1;
  }
  std::vector<v1::VerifyRequest> requests;
  for (int i = 0; i < 64; ++i) requests.push_back(MakeRequest(flags, i));

  // Connections, threads and pools are made before the measurement.
  CallStatistics warm_up;
  RunLoad(channels, requests, {.workers = flags.workers, .groups = 200 + 20 * flags.workers},
          &warm_up);

  Json samples = Json::array();
  const auto sample = [&](int64_t ended) {
    if (const auto usage = UsageOf(flags.pid); usage.ok()) {
      Json entry = {{"calls", ended}};
      entry.update(ToJson(*usage));
      samples.push_back(entry);
    }
  };
  sample(0);
  LoadOptions options;
  options.workers = flags.workers;
  options.cancel = flags.cancel;
  if (flags.groups > 0) options.groups = flags.groups;
  if (flags.seconds > 0) options.time = absl::Seconds(flags.seconds);
  options.on_progress = sample;
  CallStatistics statistics;
  const LoadResult result = RunLoad(channels, requests, options, &statistics);
  if (flags.groups == 0) sample(statistics.calls());

  const double elapsed = absl::ToDoubleSeconds(result.elapsed);
  const int64_t ok = statistics.Count(grpc::StatusCode::OK);
  const int64_t cancelled = statistics.Count(grpc::StatusCode::CANCELLED);
  const int64_t failed = statistics.calls() - ok - (flags.cancel ? cancelled : 0);
  const Json json = {{"task", flags.task},
                     {"workers", flags.workers},
                     {"completions", flags.completions},
                     {"tokens", flags.tokens},
                     {"request_bytes", requests[0].ByteSizeLong()},
                     {"seconds", elapsed},
                     {"warm_up_calls", warm_up.calls()},
                     {"calls", statistics.calls()},
                     {"ok", ok},
                     {"cancelled", cancelled},
                     {"failed", failed},
                     {"wrong", result.wrong},
                     {"groups_per_second", static_cast<double>(ok) / elapsed},
                     {"completions_per_second", static_cast<double>(result.completions) / elapsed},
                     {"p50_ms", absl::ToDoubleMilliseconds(statistics.Percentile(0.5))},
                     {"p99_ms", absl::ToDoubleMilliseconds(statistics.Percentile(0.99))},
                     {"server", samples}};
  std::cout << json.dump() << "\n";
  if (failed > 0 || result.wrong > 0)
    std::cerr << "tpo-verifier-load: " << failed << " calls failed, " << result.wrong << " wrong\n";
  return failed == 0 && result.wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) {
  tpo::Flags flags;
  CLI::App app("Drives a verifier and measures it.", "tpo-verifier-load");
  app.add_option("--address", flags.address, "HOST:PORT of the verifier")->required();
  app.add_option("--pid", flags.pid, "Its process, to read what it uses");
  app.add_option("--task", flags.task, "Task of all prompts")->capture_default_str();
  app.add_option("--workers", flags.workers, "Calls open at a time")->capture_default_str();
  app.add_option("--completions", flags.completions, "Completions per call")->capture_default_str();
  app.add_option("--tokens", flags.tokens, "Tokens per completion")->capture_default_str();
  app.add_option("--seconds", flags.seconds, "End after this time");
  app.add_option("--groups", flags.groups, "End after this many calls");
  app.add_flag("--cancel", flags.cancel, "Cancel the oldest open call before each new one");
  CLI11_PARSE(app, argc, argv);
  if (flags.seconds <= 0 && flags.groups <= 0) {
    std::cerr << "tpo-verifier-load: give --seconds or --groups\n";
    return 2;
  }
  return tpo::Run(flags);
}
