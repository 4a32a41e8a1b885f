// What the verifier says about itself, and whether it keeps to it.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

constexpr char kServiceName[] = "tpo.v1.VerifierService";
// The longest name that gRPC's own health service takes in C++.
constexpr size_t kLongestHealthName = 200;
constexpr char kUnknownTask[] = "no-such-task/of-verifier-check";

std::string Show(const HealthAnswer& answer) {
  if (!answer.status.ok()) return tpo::Show(answer.status);
  switch (answer.health) {
    case Health::kServing:
      return "SERVING";
    case Health::kNotServing:
      return "NOT_SERVING";
    case Health::kServiceUnknown:
      return "SERVICE_UNKNOWN";
    case Health::kUnknown:
      break;
  }
  return "UNKNOWN";
}

bool IsServing(const HealthAnswer& answer) {
  return answer.status.ok() && answer.health == Health::kServing;
}

// Whether the server has no status under this name.
bool IsLeftOut(const HealthAnswer& answer) {
  return answer.status.error_code() == grpc::StatusCode::NOT_FOUND ||
         answer.health == Health::kServiceUnknown;
}

// What is wrong with a description; empty: nothing.
std::string FaultIn(const v1::DescribeResponse& description) {
  if (description.verifier().empty()) return "verifier is empty: give it a name";
  if (description.tasks().empty()) return "tasks is empty: name the tasks that it scores";
  std::set<std::string> seen;
  for (const std::string& task : description.tasks()) {
    if (task.empty()) return "tasks holds an empty name: remove it";
    const size_t star = task.find('*');
    if (star != std::string::npos && star + 1 != task.size())
      return absl::StrCat("tasks: \"", task, "\" has a '*' before its end; only the last may be");
    if (!seen.insert(task).second)
      return absl::StrCat("tasks: \"", task, "\" is named twice; name it once");
  }
  const auto& latency = description.typical_latency();
  if (latency.seconds() < 0 || latency.nanos() < 0)
    return "typical_latency is negative: leave it out when it isn't known";
  return "";
}

std::string Show(const v1::DescribeResponse& description) {
  const auto limit = [](uint64_t value) {
    return value == 0 ? std::string("none") : absl::StrCat(value);
  };
  return absl::StrCat("\"", description.verifier(), "\" version \"", description.verifier_version(),
                      "\", tasks ", absl::StrJoin(description.tasks(), ", "), ", max_completions ",
                      limit(description.max_completions()), ", max_request_bytes ",
                      limit(description.max_request_bytes()), ", token_rewards ",
                      description.token_rewards() ? "yes" : "no");
}

}  // namespace

CheckOutcome CheckHealth(CheckContext& context) {
  const HealthAnswer whole = context.client->CheckHealth("");
  // The workers here watch the empty name; the others may be left out.
  std::vector<std::string> optional = {kServiceName};
  for (const std::string& task : context.description.response.tasks()) {
    std::string name = absl::StrCat(kServiceName, "/", task);
    if (name.size() <= kLongestHealthName) optional.push_back(std::move(name));
  }
  bool optional_fine = true;
  std::string answered = absl::StrCat("\"\": ", Show(whole));
  for (const std::string& name : optional) {
    const HealthAnswer answer = context.client->CheckHealth(name);
    absl::StrAppend(&answered, "; \"", name, "\": ", Show(answer));
    optional_fine = optional_fine && (IsServing(answer) || IsLeftOut(answer));
  }
  const std::string sent = absl::StrCat("grpc.health.v1.Health/Check of \"\", \"",
                                        absl::StrJoin(optional, "\", \""), "\"");
  if (IsServing(whole) && optional_fine) return CheckOutcome::Ok(sent, answered);
  if (whole.status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return CheckOutcome::Skipped(
        "it has no health service and counts as healthy at all times, also while it starts or "
        "ends; "
        "better register the one of your gRPC library");
  }
  return CheckOutcome::Failed(
      sent, answered,
      "set the status of \"\" (which workers watch), of the service's name and of each task to "
      "SERVING while the verifier takes calls; leave out a name that has no status of its own");
}

CheckOutcome CheckDescribe(CheckContext& context) {
  const DescribeAnswer& answer = context.description;
  const std::string sent = "Describe()";
  if (answer.status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return CheckOutcome::Skipped(
        "it leaves Describe unimplemented, so it can only be the single verifier of a run");
  }
  if (!answer.status.ok())
    return CheckOutcome::Failed(sent, Show(answer.status), "answer OK, or leave it unimplemented");
  const std::string fault = FaultIn(answer.response);
  if (!fault.empty()) return CheckOutcome::Failed(sent, Show(answer.response), fault);
  return CheckOutcome::Ok(sent, Show(answer.response));
}

CheckOutcome CheckTasks(CheckContext& context) {
  const auto& tasks = context.description.response.tasks();
  if (tasks.empty()) return CheckOutcome::Skipped("it describes no tasks");
  std::vector<std::string> shown;
  for (const std::string& pattern : tasks) {
    const std::string task = TaskThatMatches(pattern);
    const v1::VerifyRequest request = Pick(BuiltInSample(task), {0, 1});
    const VerifyAnswer answer = context.Verify(request);
    // A prompt without what the task needs may be refused as malformed.
    if (!answer.ok() && answer.code() != grpc::StatusCode::INVALID_ARGUMENT) {
      return CheckOutcome::Failed(
          absl::StrCat("a group of 2 of the task \"", task, "\", which Describe names"),
          Show(answer), "score the tasks that Describe names, or don't name them");
    }
    shown.push_back(absl::StrCat("\"", task, "\": ", Show(answer)));
  }
  return CheckOutcome::Ok("a group of 2 of each task that Describe names",
                          absl::StrJoin(shown, "; "));
}

CheckOutcome CheckUnknownTask(CheckContext& context) {
  if (context.description.response.tasks().empty())
    return CheckOutcome::Skipped("it describes no tasks");
  if (IsDescribed(context.description.response, kUnknownTask))
    return CheckOutcome::Skipped("it describes that it scores every task");
  v1::VerifyRequest request = context.sample;
  request.mutable_prompt()->set_task(kUnknownTask);
  const VerifyAnswer answer = context.Verify(request);
  const std::string sent =
      absl::StrCat("the sample as task \"", kUnknownTask, "\", which Describe doesn't name");
  if (answer.ok()) {
    const auto& verdicts = answer.response.verdicts();
    const bool scored = std::any_of(
        verdicts.begin(), verdicts.end(),
        [](const v1::Verdict& verdict) { return verdict.kind() == v1::VERDICT_KIND_SCORED; });
    if (!scored) return CheckOutcome::Ok(sent, Show(answer));
    return CheckOutcome::Failed(
        sent, Show(answer),
        "look at prompt.task: answer NOT_FOUND, or ABSTAINED for each completion, when it isn't "
        "yours; a score of the wrong grader would be trained on");
  }
  if (answer.code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      answer.code() == grpc::StatusCode::UNAVAILABLE ||
      answer.code() == grpc::StatusCode::RESOURCE_EXHAUSTED) {
    return CheckOutcome::Failed(
        sent, Show(answer),
        "answer at once, with a code that isn't retried, e.g. NOT_FOUND, or with ABSTAINED");
  }
  return CheckOutcome::Ok(sent, Show(answer));
}

}  // namespace tpo
