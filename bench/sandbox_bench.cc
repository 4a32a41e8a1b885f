// How many trivial programs the code verifier judges in a second, by kind of test and by isolation.
// Each judgement is at least one execution: a fresh interpreter in a fresh sandbox.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <map>
#include <memory>
#include <string>

#include "verifier/sandbox/code_verifier.h"

namespace tpo {
namespace {

constexpr int kCompletions = 16;

struct Workload {
  const char* name;
  const char* program;
  std::map<std::string, std::string> metadata;
  int executions;  // of one judgement
};

const Workload kWorkloads[] = {
    {"outputs", "print(int(input()) + 1)", {{"tests", R"([{"input": "1", "output": "2"}])"}}, 1},
    {"calls",
     "def f(n): return n + 1",
     {{"tests", R"([{"args": [1], "expected": 2}, {"args": [2], "expected": 3}])"},
      {"entry_point", "f"}},
     1},
    {"asserts",
     "def f(n): return n + 1",
     {{"tests", R"(["assert f(1) == 2", "assert f(2) == 3"])"}, {"entry_point", "f"}},
     2},
};

uint32_t DisabledLayers(int64_t isolation) {
  if (isolation == 0) return 0;
  return isolation == 1 ? kOwnNamespaceLayers : kOwnNamespaceLayers | uint32_t{kLayerBubblewrap};
}

// Processor time of this process and of all that it has waited for, in milliseconds.
double CpuMilliseconds() {
  double total = 0.0;
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    struct rusage usage = {};
    getrusage(whose, &usage);
    for (const struct timeval& time : {usage.ru_utime, usage.ru_stime}) {
      total += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) * 1e-3;
    }
  }
  return total;
}

// Arguments: workload; isolation (0 own namespaces, 1 bubblewrap, 2 neither); executions at a time.
void BM_Judge(benchmark::State& state) {
  const Workload& workload = kWorkloads[state.range(0)];
  CodeVerifierOptions options;
  options.sandbox.interpreter[0] = "/usr/bin/python3";
  options.sandbox.disabled_layers = DisabledLayers(state.range(1));
  options.concurrent_executions = static_cast<uint32_t>(state.range(2));
  const auto verifier = CodeVerifier::Create(options);
  if (!verifier.ok()) {
    state.SkipWithError(std::string(verifier.status().message()).c_str());
    return;
  }
  VerifyRequest request;
  request.prompt.metadata = workload.metadata;
  request.completions.resize(kCompletions);
  for (Completion& completion : request.completions) completion.text = workload.program;
  const double begin = CpuMilliseconds();
  for (auto step : state) {
    const auto verdicts = (*verifier)->Verify(request);
    if (!verdicts.ok() || verdicts->front().score != 1.0)
      state.SkipWithError("not judged as right");
  }
  state.SetLabel(std::string(workload.name) + "; " + (*verifier)->sandbox().DescribeLayers());
  const double executions =
      static_cast<double>(state.iterations()) * kCompletions * workload.executions;
  state.counters["executions"] = benchmark::Counter(executions, benchmark::Counter::kIsRate);
  // Independent of what else the machine does.
  state.counters["cpu_ms"] = (CpuMilliseconds() - begin) / executions;
}
BENCHMARK(BM_Judge)
    ->ArgNames({"workload", "isolation", "at_a_time"})
    ->ArgsProduct({{0, 1, 2}, {0, 1, 2}, {2}})
    ->Args({0, 0, 1})
    ->Args({0, 0, 4})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tpo
