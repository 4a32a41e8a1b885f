// The conformance kit against verifiers that keep the contract, and against one faulty verifier for
// each thing that can be wrong.
#include "services/verifier_check/verifier_check.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "services/grpc/server.h"
#include "services/grpc/verifier_service.h"
#include "services/verifier_check/check_channel.h"
#include "services/verifier_check/sample_group.h"
#include "tests/services/verifier_check/faults.h"
#include "verifier/registry.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Long enough for a machine with much else to do; only faults that hang are waited for.
constexpr absl::Duration kLong = absl::Seconds(60);

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  return ConnectForChecks({.address = address, .tls_ca = "", .tls_certificate = "", .tls_key = ""},
                          kLong)
      .value();
}

VerifierCheckOptions Patient() {
  VerifierCheckOptions options;
  options.timeout = kLong;
  options.latency_slack = kLong;
  return options;
}

std::vector<std::string> Names(const VerifierCheckReport& report, CheckState state) {
  std::vector<std::string> names;
  for (const VerifierCheckResult& result : report.results) {
    if (result.state == state) names.push_back(result.check.name);
  }
  return names;
}

TEST(VerifierCheck, PassesTheBuiltInVerifiers) {
  const auto registry = VerifierRegistry::BuiltIn().value();
  const auto service = MakeVerifierService(registry.get(), {});
  const auto server =
      GrpcServer::Start({.listen = "127.0.0.1:0", .announce = false, .services = {service.get()}})
          .value();
  const std::vector<std::string> patterns = registry->Describe().value().tasks;
  for (const std::string& pattern : patterns) {
    VerifierCheckOptions options = Patient();
    options.task = TaskThatMatches(pattern);
    const auto report = CheckVerifier(Connect(server->address()), options).value();
    EXPECT_THAT(Names(report, CheckState::kFailed), IsEmpty()) << ToText(report, server->address());
    EXPECT_EQ(report.results.size(), VerifierChecks().size());
  }
}

TEST(VerifierCheck, RunsEveryCheckOnAVerifierThatKeepsTheContract) {
  FaultyVerifier verifier({.name = "none", .check = "none"});
  const auto report = CheckVerifier(Connect(verifier.address()), Patient()).value();
  EXPECT_EQ(report.Count(CheckState::kOk), static_cast<int>(VerifierChecks().size()))
      << ToText(report, verifier.address());
  EXPECT_EQ(report.verifier, "faulty");
  EXPECT_EQ(report.version, "3");
  EXPECT_EQ(report.task, "text");
}

TEST(VerifierCheck, TakesLongNamesOfTasks) {
  for (const size_t bytes : {100, 104, 105, 177, 178, 1024}) {
    FaultyVerifier verifier(
        {.name = "long", .check = "none", .describe = [bytes](v1::DescribeResponse* description) {
           description->add_tasks(std::string(bytes, 'x'));
           return grpc::Status::OK;
         }});
    VerifierCheckOptions options = Patient();
    options.only = {"health"};
    const auto report = CheckVerifier(Connect(verifier.address()), options).value();
    EXPECT_EQ(report.Count(CheckState::kOk), 1) << ToText(report, verifier.address());
  }
}

TEST(VerifierCheck, LetsHealthAndDescribeBeUnimplemented) {
  FaultyVerifier verifier(
      {.name = "minimal",
       .check = "none",
       .describe =
           [](v1::DescribeResponse*) { return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""); },
       .has_health = false});
  VerifierCheckOptions options = Patient();
  options.task = "text";
  const auto report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kFailed), IsEmpty()) << ToText(report, "here");
  EXPECT_THAT(Names(report, CheckState::kSkipped),
              ElementsAre("health", "describe", "tasks", "many_completions", "too_many_completions",
                          "unknown_task", "oversized_request"));
}

class FaultTest : public testing::TestWithParam<Fault> {};

TEST_P(FaultTest, IsFoundByItsCheckAndNoOther) {
  const Fault& fault = GetParam();
  FaultyVerifier verifier(fault);
  VerifierCheckOptions options = Patient();
  if (fault.hangs) {
    options.timeout = absl::Seconds(3);
    options.latency_slack = absl::Milliseconds(500);
  }
  const auto report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kFailed), ElementsAre(fault.check))
      << ToText(report, verifier.address());
  for (const VerifierCheckResult& result : report.results) {
    if (result.state != CheckState::kFailed) continue;
    EXPECT_NE(result.sent, "");
    EXPECT_NE(result.answered, "");
    EXPECT_NE(result.remedy, "");
  }
}

INSTANTIATE_TEST_SUITE_P(All, FaultTest, testing::ValuesIn(AllFaults()),
                         [](const auto& fault) { return fault.param.name; });

TEST(VerifierCheck, HasAFaultForEveryCheck) {
  std::set<std::string> covered;
  for (const Fault& fault : AllFaults()) covered.insert(fault.check);
  for (const VerifierCheckInfo& check : VerifierChecks())
    EXPECT_TRUE(covered.contains(check.name)) << check.name;
}

// The proto's comments in one line, without the slashes.
std::string Comments(const std::string& file) {
  std::ifstream stream(std::string(std::getenv("TPO_SOURCE_DIR")) + "/proto/tpo/v1/" + file);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  std::string flat;
  for (const char c : text) {
    const char plain = c == '\n' || c == '/' ? ' ' : c;
    if (plain != ' ' || (!flat.empty() && flat.back() != ' ')) flat += plain;
  }
  return flat;
}

TEST(VerifierCheck, CitesTheContractWordForWord) {
  for (const VerifierCheckInfo& check : VerifierChecks()) {
    const std::string file = check.source.substr(0, check.source.find(','));
    EXPECT_THAT(Comments(file), HasSubstr(check.contract)) << check.name;
  }
}

TEST(VerifierCheck, StopsAskingAVerifierThatFellSilent) {
  for (const Fault& fault : AllFaults()) {
    if (fault.name != "hangs_after_a_deadline") continue;
    FaultyVerifier verifier(fault);
    VerifierCheckOptions options = Patient();
    options.timeout = absl::Seconds(3);
    options.only = {"deadline", "cancel"};
    const auto report = CheckVerifier(Connect(verifier.address()), options).value();
    ASSERT_EQ(report.results.size(), 2);
    EXPECT_EQ(report.results[1].state, CheckState::kSkipped);
    EXPECT_THAT(report.results[1].answered, HasSubstr("since the check \"deadline\""));
  }
}

TEST(VerifierCheck, RunsOnlyWhatWasAskedFor) {
  FaultyVerifier verifier({.name = "none", .check = "none"});
  VerifierCheckOptions options = Patient();
  options.only = {"order", "count"};
  const auto report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kOk), ElementsAre("count", "order"));
  options.only = {"ordre"};
  const auto refused = CheckVerifier(Connect(verifier.address()), options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("--only ordre: there is no such check; did you mean order?"));
  options.only = {"order,count"};
  EXPECT_THAT(std::string(CheckVerifier(Connect(verifier.address()), options).status().message()),
              HasSubstr("repeat --only for several, --list names them"));
}

// A verifier that understands only prompts of its own.
TEST(VerifierCheck, TakesAnExample) {
  FaultyVerifier verifier({.name = "needs_tests",
                           .check = "",
                           .instead = [](FaultyVerifier&, const v1::VerifyRequest& request,
                                         v1::VerifyResponse*) -> std::optional<grpc::Status> {
                             if (request.prompt().metadata().contains("tests")) return std::nullopt;
                             return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                                                 "prompt.metadata: no tests");
                           }});
  VerifierCheckOptions options = Patient();
  auto report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kFailed), ElementsAre("answers"));
  EXPECT_THAT(ToText(report, "here"), HasSubstr("--example FILE"));

  options.example_json = R"({
    "prompt": {"task": "text", "text": "4?", "reference_answer": "4", "metadata": {"tests": "x"}},
    "completions": [{"text": "4"}, {"text": "five"}]
  })";
  report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kFailed), IsEmpty()) << ToText(report, "here");
  EXPECT_THAT(Names(report, CheckState::kSkipped), IsEmpty()) << ToText(report, "here");

  options.example_json = R"({"prompt": {"question": "4?"}})";
  EXPECT_THAT(std::string(CheckVerifier(Connect(verifier.address()), options).status().message()),
              HasSubstr("question"));
}

TEST(VerifierCheck, SaysSoWhenNothingIsScored) {
  FaultyVerifier verifier({.name = "none", .check = "none"});
  VerifierCheckOptions options = Patient();
  options.task = "another";
  options.only = {"order", "numbers"};
  const auto report = CheckVerifier(Connect(verifier.address()), options).value();
  EXPECT_THAT(Names(report, CheckState::kSkipped), ElementsAre("order", "numbers"));
  EXPECT_THAT(ToText(report, "here"), HasSubstr("ABSTAINED"));
}

TEST(VerifierCheck, NamesAnAddressWhereNobodyAnswers) {
  const auto channel = ConnectForChecks(
      {.address = "127.0.0.1:1", .tls_ca = "", .tls_certificate = "", .tls_key = ""},
      absl::Milliseconds(200));
  EXPECT_EQ(channel.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr("127.0.0.1:1"));
}

VerifierCheckReport SampleReport() {
  VerifierCheckReport report;
  report.verifier = "judge";
  report.version = "2";
  report.task = "text";
  report.results.push_back({VerifierChecks()[0], CheckState::kOk, "a question", "an answer", "",
                            absl::Milliseconds(1500)});
  report.results.push_back({VerifierChecks()[1], CheckState::kFailed, "Describe()",
                            "bad \x1B[31m\nnews", "mend it", absl::ZeroDuration()});
  report.results.push_back(
      {VerifierChecks()[2], CheckState::kSkipped, "", "no need", "", absl::ZeroDuration()});
  return report;
}

TEST(VerifierCheckReport, TextSaysWhatWasSentWhatCameBackAndHowToMendIt) {
  const std::string text = ToText(SampleReport(), "there:1");
  EXPECT_THAT(text, HasSubstr("verifier at there:1: judge 2, asked for the task \"text\"\n"));
  EXPECT_THAT(text, HasSubstr("ok       health                a question → an answer\n"));
  EXPECT_THAT(text, HasSubstr("FAIL     describe"));
  EXPECT_THAT(text, HasSubstr("sent       Describe()\n"));
  EXPECT_THAT(text, HasSubstr("came back  bad ?[31m news\n"));
  EXPECT_THAT(text, HasSubstr("contract   \"" + VerifierChecks()[1].contract + "\""));
  EXPECT_THAT(text, HasSubstr("mend       mend it\n"));
  EXPECT_THAT(text, HasSubstr("skipped  answers               no need\n"));
  EXPECT_THAT(text, HasSubstr("3 checks: 1 ok, 1 FAILED, 1 skipped\n"));
}

TEST(VerifierCheckReport, TextHoldsNothingThatATerminalObeys) {
  VerifierCheckReport report = SampleReport();
  report.results[1].answered =
      "\xC2\x9B"
      "2J \xE2\x80\xAE"
      "esrever\xE2\x80\xAC \xE2\x81\xA6 \x7F \x9B raw é \xC2\xA0 \U0001F469 €";
  EXPECT_THAT(ToText(report, "there:1"),
              HasSubstr("came back  ?2J ?esrever? ? ? \uFFFD raw é \xC2\xA0 \U0001F469 €\n"));
}

TEST(VerifierCheckReport, JsonHoldsTheSame) {
  const auto json = nlohmann::json::parse(ToJson(SampleReport(), "there:1"));
  EXPECT_EQ(json["address"], "there:1");
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(json["checks"][0]["seconds"], 1.5);
  EXPECT_EQ(json["checks"][1]["name"], "describe");
  EXPECT_EQ(json["checks"][1]["state"], "failed");
  EXPECT_EQ(json["checks"][1]["answered"], "bad \x1B[31m\nnews");
  EXPECT_EQ(json["checks"][1]["contract"], VerifierChecks()[1].contract);
  EXPECT_EQ(json["checks"][2]["state"], "skipped");
}

}  // namespace
}  // namespace tpo
