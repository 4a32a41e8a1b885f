#include "services/cli/command_line.h"

#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "services/cli/exit_status.h"
#include "services/cli/flags.h"
#include "services/config/did_you_mean.h"

namespace tpo {
namespace {

constexpr char kFooter[] =
    "Each command has its own --help.\n"
    "\n"
    "Examples:\n"
    "  tpo validate examples/reverse_copy.yaml\n"
    "  tpo train examples/reverse_copy.yaml --run_dir runs/first\n"
    "  tpo inspect runs/first\n"
    "\n"
    "Exit status: 0 done, 2 the input was refused, 1 any other failure.\n";

// More of anything than a command could serve.
constexpr int kMost = 1 << 30;

void AddOverrides(CLI::App* app, std::vector<std::string>* overrides) {
  app->add_option("--set", *overrides, "Override a field of CONFIG; may be given several times")
      ->type_name("PATH=VALUE")
      ->allow_extra_args(false);
}

void AddMetricsListen(CLI::App* app, std::string* address) {
  AddAddress(app, "--metrics_listen", PortZero::kAllowed, address,
             "Serve Prometheus metrics at http://HOST:PORT/metrics");
}

void AddTraces(CLI::App* app, TraceFlags* flags) {
  // CLI::Range takes a NaN.
  const auto check = [](const std::string& text) {
    double value = 0.0;
    const bool parsed = CLI::detail::lexical_cast(text, value);
    return parsed && value >= 0.0 && value <= 1.0 ? std::string()
                                                  : "\"" + text + "\" is not between 0 and 1";
  };
  CLI::Option* const endpoint = AddTraceEndpoint(app, flags);
  app->add_option("--trace_sample_ratio", flags->sample_ratio,
                  "Part of the groups and calls that is traced, 0 to 1; the same for all roles")
      ->type_name("RATIO")
      ->check(CLI::Validator(check, ""))
      ->capture_default_str()
      ->needs(endpoint);
}

void AddQuiet(CLI::App* app, bool* quiet) {
  app->add_flag("--quiet", *quiet, "Show no progress, only problems");
}

void AddInsecure(CLI::App* app, bool* insecure) {
  app->add_flag("--insecure", *insecure, "Allow unencrypted connections off loopback");
}

void AddServerTls(CLI::App* app, ServerTlsFlags* tls) {
  CLI::Option* certificate =
      app->add_option(
             "--tls_certificate", tls->certificate,
             "Encrypt, with this certificate and those between it and its authority (PEM); "
             "see docs/security.md")
          ->type_name("FILE");
  CLI::Option* key = app->add_option("--tls_key", tls->key, "Private key of the certificate (PEM)")
                         ->type_name("FILE");
  CLI::Option* client_ca =
      app->add_option("--tls_client_ca", tls->client_ca,
                      "Refuse clients without a certificate of these authorities (PEM)")
          ->type_name("FILE");
  certificate->needs(key)->needs(client_ca);
  key->needs(certificate);
  client_ca->needs(certificate);
}

void AddClientTlsFiles(CLI::App* app, ClientTlsFlags* tls) {
  app->add_option("--tls_ca", tls->ca,
                  "Encrypt, and trust servers with a certificate of these authorities (PEM); see "
                  "docs/security.md")
      ->type_name("FILE");
  CLI::Option* certificate =
      app->add_option("--tls_certificate", tls->certificate,
                      "Our certificate, and those between it and its authority (PEM)")
          ->type_name("FILE");
  CLI::Option* key = app->add_option("--tls_key", tls->key, "Private key of the certificate (PEM)")
                         ->type_name("FILE");
  certificate->needs(key);
  key->needs(certificate);
}

void AddClientTls(CLI::App* app, ClientTlsFlags* tls) {
  AddClientTlsFiles(app, tls);
  app->add_option("--tls_server_name", tls->server_name,
                  "Name that the server's certificate must hold [the host's]")
      ->type_name("NAME");
}

void AddRunFlags(CLI::App* app, RunFlags* flags) {
  app->add_option("CONFIG", flags->config, "YAML file that describes the run (see docs/config.md)")
      ->required()
      ->type_name("");
  AddOverrides(app, &flags->overrides);
  auto* run_dir = app->add_option("--run_dir", flags->run_dir,
                                  "Directory for the results [runs/<name of CONFIG>-<UTC time>]")
                      ->type_name("DIR");
  app->add_flag(
         "--resume", flags->resume,
         "Go on with the run in --run_dir after its last checkpoint; begin one where there is none")
      ->needs(run_dir);
  AddMetricsListen(app, &flags->metrics_listen);
  AddAddress(app, "--status_listen", PortZero::kAllowed, &flags->status_listen,
             "Serve a page that shows the run at http://HOST:PORT/");
  AddTraces(app, &flags->traces);
  AddWholeNumber(
      app, "--drain_seconds", 0, 24 * 3600, &flags->drain_seconds,
      "Seconds for which a learner that is told to end waits for the groups that workers "
      "have in hand");
  AddQuiet(app, &flags->quiet);
  AddInsecure(app, &flags->insecure);
}

void AddLearnerAddress(CLI::App* app, std::string* address) {
  AddAddress(app, "--learner", PortZero::kRefused, address, "Where the learner listens")
      ->required();
}

void AddStep(CLI::App* app, std::optional<int64_t>* step, const std::string& help) {
  const auto check = [](const std::string& text) {
    return text.starts_with("-") ? "\"" + text + "\" is no step: steps count from 0"
                                 : std::string();
  };
  app->add_option("--step", *step, help)->type_name("N")->check(CLI::Validator(check, ""));
}

void AddRun(CLI::App* app, std::string* run, const std::string& name, const std::string& help) {
  app->add_option(name, *run, help)->required()->type_name("");
}

void DefineTrain(CLI::App* app, TrainCommand* command) {
  AddRunFlags(app, &command->run);
  app->parse_complete_callback(
      [command] { RequireSafeTraces(command->run.traces, command->run.insecure); });
  app->footer(
      "Examples:\n"
      "  tpo train examples/reverse_copy.yaml\n"
      "  tpo train examples/reverse_copy.yaml --run_dir runs/short --set learner.steps=200\n"
      "  tpo train examples/reverse_copy.yaml --run_dir runs/short --resume --set "
      "learner.steps=400\n");
}

void DefineLearner(CLI::App* app, LearnerCommand* command) {
  AddRunFlags(app, &command->run);
  AddAddress(app, "--listen", PortZero::kAllowed, &command->listen,
             "Where workers connect; port 0 picks one and prints it")
      ->required();
  AddServerTls(app, &command->tls);
  AddConnectionAge(app, &command->max_connection_age_seconds);
  app->add_flag("--keep_serving", command->keep_serving,
                "Serve status and metrics after the last step, until told to end");
  app->add_flag("--drained_is_failure", command->drained_is_failure,
                "Exit with 1 when told to end before the last step, for schedulers that restart "
                "what failed");
  app->parse_complete_callback([command] {
    RequireLoopback("--listen", command->listen, command->run.insecure || command->tls.given());
    RequireSafeTraces(command->run.traces, command->run.insecure);
  });
  app->footer(
      "Examples:\n"
      "  tpo learner examples/reverse_copy.yaml --listen 127.0.0.1:50051\n"
      "  tpo learner examples/reverse_copy.yaml --listen 0.0.0.0:50051 --tls_certificate "
      "learner.pem "
      "--tls_key learner.key --tls_client_ca ca.pem\n"
      "  tpo learner examples/reverse_copy.yaml --listen 0.0.0.0:50051 --insecure --metrics_listen "
      "0.0.0.0:9090\n");
}

void DefineRollout(CLI::App* app, RolloutCommand* command) {
  AddLearnerAddress(app, &command->learner);
  AddAddress(app, "--weights", PortZero::kRefused, &command->weights,
             "Where a relay listens, to get weights from it instead of the learner");
  app->add_option("--name", command->name,
                  "Name of this worker in logs and metrics [the host's name]");
  AddWholeNumber(app, "--parallel_leases", 0, 1024, &command->parallel_leases,
                 "Leases in hand at the same time; a quarter of them is sampled while the others' "
                 "groups are judged; 0: eight per core, with a language model 8");
  AddWholeNumber(app, "--give_up_after", 1, 30 * 24 * 3600, &command->give_up_after_seconds,
                 "Seconds for which a learner that is away may come back");
  AddWholeNumber(app, "--drain_seconds", 0, 24 * 3600, &command->drain_seconds,
                 "Seconds that a worker that is told to end may take to answer the leases that it "
                 "has in hand; what is left is given back");
  AddMetricsListen(app, &command->metrics_listen);
  AddTraces(app, &command->traces);
  AddClientTls(app, &command->tls);
  AddQuiet(app, &command->quiet);
  AddInsecure(app, &command->insecure);
  app->parse_complete_callback([command] {
    RequireLoopback("--learner", command->learner, command->insecure || command->tls.given());
    RequireLoopback("--weights", command->weights, command->insecure || command->tls.given());
    RequireSafeTraces(command->traces, command->insecure);
  });
  app->footer(
      "Examples:\n"
      "  tpo rollout --learner 127.0.0.1:50051\n"
      "  tpo rollout --learner learner:50051 --tls_ca ca.pem --tls_certificate worker.pem "
      "--tls_key "
      "worker.key\n");
}

void DefineRelay(CLI::App* app, RelayCommand* command) {
  AddAddress(app, "--learner", PortZero::kRefused, &command->learner,
             "Where the learner listens, or another relay")
      ->required();
  AddAddress(app, "--listen", PortZero::kAllowed, &command->listen,
             "Where workers ask for weights; port 0 picks one and prints it")
      ->required();
  app->add_option("--name", command->name, "Name of this relay at the learner [the host's name]");
  app->add_flag("--keep_serving", command->keep_serving,
                "Stay after the end of the run, for the next one, until told to end");
  AddMetricsListen(app, &command->metrics_listen);
  AddTraces(app, &command->traces);
  AddClientTls(app, &command->client_tls);
  CLI::Option* client_ca =
      app->add_option("--tls_client_ca", command->server_tls.client_ca,
                      "Refuse clients without a certificate of these authorities (PEM)")
          ->type_name("FILE");
  client_ca->needs("--tls_certificate");
  app->get_option("--tls_certificate")->needs(client_ca);
  AddConnectionAge(app, &command->max_connection_age_seconds);
  AddInsecure(app, &command->insecure);
  app->parse_complete_callback([command] {
    command->server_tls.certificate = command->client_tls.certificate;
    command->server_tls.key = command->client_tls.key;
    RequireLoopback("--learner", command->learner,
                    command->insecure || command->client_tls.given());
    RequireLoopback("--listen", command->listen, command->insecure || command->server_tls.given());
    RequireSafeTraces(command->traces, command->insecure);
  });
  app->footer(
      "Examples:\n"
      "  tpo relay --learner 127.0.0.1:50051 --listen 127.0.0.1:50053\n"
      "  tpo relay --learner learner:50051 --listen 0.0.0.0:50053 --tls_ca ca.pem "
      "--tls_certificate relay.pem --tls_key relay.key --tls_client_ca ca.pem\n");
}

// What `eval` and `generate` have in common.
template <typename Command>
void AddSampling(CLI::App* app, Command* command) {
  AddWholeNumber(app, "--prompts", 1, kMost, &command->prompts, "Prompts to answer");
  auto* samples =
      AddWholeNumber(app, "--samples", 1, kMost, &command->samples, "Completions per prompt");
  app->add_flag("--greedy", command->greedy, "Take the likeliest token instead of sampling")
      ->excludes(samples);
  AddStep(app, &command->step, "Use the checkpoint of this step [the newest]");
  AddClientTlsFiles(app, &command->verifiers.tls);
  AddInsecure(app, &command->verifiers.insecure);
}

void DefineEval(CLI::App* app, EvalCommand* command) {
  AddRun(app, &command->run, "RUN", "Run directory, or one checkpoint in it");
  AddSampling(app, command);
  app->footer(
      "Verifiers are those of the run; the flags for TLS are for those whose config says tls: {}.\n"
      "\n"
      "Example:\n"
      "  tpo eval runs/first --greedy --prompts 10000\n");
}

constexpr char kLanguageModelGroup[] = "Language models";

void AddLanguageModel(CLI::App* app, LanguageModelFlags* flags) {
  const std::string group = kLanguageModelGroup;
  const auto add = [&](const std::string& flag, auto* value, const std::string& help) {
    return app->add_option(flag, *value, help)->group(group);
  };
  add("--prompt", &flags->prompts, "Text to continue; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  add("--tokens", &flags->tokens, "Prompt as token numbers, \"1 2 3\"")->type_name("NUMBERS");
  app->add_flag("--chat", flags->chat, "Put each prompt into the model's chat template")
      ->group(group);
  AddWholeNumber(app, "--max_tokens", 1, kMost, &flags->max_tokens, "Longest completion")
      ->group(group);
  add("--temperature", &flags->temperature, "Divides the logits; 0: as --greedy")
      ->check(CLI::Range(0.0, 100.0).description(""))
      ->capture_default_str();
  AddWholeNumber(app, "--top_k", 0, kMost, &flags->top_k, "Only the k likeliest tokens; 0: all")
      ->group(group);
  add("--top_p", &flags->top_p, "Only the likeliest tokens of this mass")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->capture_default_str();
  add("--min_p", &flags->min_p, "Only tokens of this part of the likeliest one's probability")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->capture_default_str();
  add("--ban", &flags->ban, "Never draw these tokens, \"1 2 3\"")->type_name("NUMBERS");
  add("--stop", &flags->stop, "End a completion with this text; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  add("--seed", &flags->seed, "Seed of the sampling")->type_name("N")->capture_default_str();
  add("--compute_type", &flags->compute_type,
      "float32 or bfloat16 [the run's; with a model's directory bfloat16]")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"float32", "bfloat16"}).description(""));
  AddWholeNumber(app, "--threads", 0, 1024, &flags->threads, "Threads; 0: one per core")
      ->group(group);
  app->add_flag("--json", flags->json, "One JSON object per completion and line")->group(group);
}

// A run's own prompts are answered as its config says.
void RefuseUnusedOfLanguageModel(const CLI::App& app) {
  const auto given = [&](const std::string& flag) { return app.count(flag) > 0; };
  const bool prompted = given("--prompt") || given("--tokens");
  if (prompted && given("--prompts"))
    throw CLI::ValidationError("--prompts", "is for a run's own prompts, without --prompt");
  if (prompted) return;
  for (const CLI::Option* const option : app.get_options()) {
    if (option->get_group() == kLanguageModelGroup && option->count() > 0)
      throw CLI::ValidationError(option->get_name(), "needs --prompt or --tokens");
  }
}

void DefineGenerate(CLI::App* app, GenerateCommand* command) {
  AddRun(app, &command->run, "RUN",
         "Run directory, one checkpoint in it, or a language model's directory");
  AddSampling(app, command);
  AddLanguageModel(app, &command->language_model);
  app->parse_complete_callback([app] { RefuseUnusedOfLanguageModel(*app); });
  app->footer(
      "Examples:\n"
      "  tpo generate runs/first --prompts 3 --samples 2\n"
      "  tpo generate models/smollm2 --chat --prompt \"What is 12 + 7?\" --samples 4\n");
}

void DefineInspect(CLI::App* app, InspectCommand* command) {
  AddRun(app, &command->run_dir, "RUN", "Run directory");
  AddStep(app, &command->step, "Show groups of this step [the newest that has any]");
  AddWholeNumber(app, "--groups", 1, kMost, &command->groups, "Most groups to show");
  app->add_flag("--json", command->json, "One JSON object per group and line");
  app->footer("Example:\n  tpo inspect runs/first --groups 2\n");
}

void DefineExport(CLI::App* app, ExportCommand* command) {
  AddRun(app, &command->run, "RUN",
         "Run directory, one checkpoint in it, or a language model's directory");
  AddRun(app, &command->directory, "DIR", "Directory to write; must not exist or be empty");
  AddStep(app, &command->step, "Use the checkpoint of this step [the newest]");
  app->add_option("--type", command->type,
                  "Type of a language model's weights: float32 or bfloat16 [float32]")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"float32", "bfloat16"}).description(""));
  app->add_flag("--adapters", command->adapters,
                "Write the adapters of a run with model.hf.lora, as PEFT loads them, not merged")
      ->excludes("--type");
  app->footer(
      "Examples:\n"
      "  tpo export runs/first exported/first\n"
      "  tpo export runs/lora exported/adapters --adapters\n"
      "  tpo export models/smollm2 models/smollm2-bf16 --type bfloat16\n");
}

void DefineReport(CLI::App* app, ReportCommand* command) {
  AddRun(app, &command->run_dir, "RUN", "Run directory; report.html is written there");
  app->footer("Example:\n  tpo report runs/first\n");
}

void DefineStatus(CLI::App* app, StatusCommand* command) {
  AddLearnerAddress(app, &command->learner);
  app->add_flag("--json", command->json, "One JSON object");
  AddClientTls(app, &command->tls);
  AddInsecure(app, &command->insecure);
  app->parse_complete_callback([command] {
    RequireLoopback("--learner", command->learner, command->insecure || command->tls.given());
  });
  app->footer("Example:\n  tpo status --learner 127.0.0.1:50051\n");
}

void DefineAdminAction(CLI::App* app, const std::string& name, const std::string& help,
                       AdminCommand::Action action, AdminCommand* command) {
  CLI::App* const sub = app->add_subcommand(name, help);
  AddAddress(sub, "LEARNER", PortZero::kRefused, &command->learner, "Where the learner listens")
      ->required();
  sub->add_flag("--json", command->json, "One JSON object");
  AddClientTls(sub, &command->tls);
  AddInsecure(sub, &command->insecure);
  sub->parse_complete_callback([command, action] {
    command->action = action;
    RequireLoopback("LEARNER", command->learner, command->insecure || command->tls.given());
  });
  sub->footer("Example:\n  tpo admin " + name + " 127.0.0.1:50051\n");
}

void DefineAdmin(CLI::App* app, AdminCommand* command) {
  app->require_subcommand(1);
  DefineAdminAction(app, "checkpoint",
                    "Write a checkpoint of the last finished step, and wait until it is durable",
                    AdminCommand::Action::kCheckpoint, command);
  DefineAdminAction(app, "drain",
                    "End the run after the step in training, with a checkpoint; --resume goes on",
                    AdminCommand::Action::kDrain, command);
  app->footer(
      "Examples:\n"
      "  tpo admin checkpoint 127.0.0.1:50051\n"
      "  tpo admin drain 127.0.0.1:50051\n");
}

void DefineVerifierCheck(CLI::App* app, VerifierCheckCommand* command) {
  AddAddress(app, "ADDRESS", PortZero::kRefused, &command->address, "Where the verifier listens");
  app->add_option("--task", command->task, "Task to ask for [the first that it describes]")
      ->type_name("NAME");
  app->add_option("--example", command->example,
                  "A VerifyRequest as protobuf JSON, for verifiers that need prompts of their own: "
                  "a prompt and completions of different worth [a built-in one]")
      ->type_name("FILE");
  app->add_option("--only", command->only, "Run this check; may be given several times [all]")
      ->type_name("NAME")
      ->allow_extra_args(false);
  AddWholeNumber(app, "--timeout_seconds", 1, 3600, &command->timeout_seconds,
                 "Longest that a call may take");
  auto* ca = app->add_option("--tls_ca", command->tls_ca,
                             "Connect over TLS and trust the certificates in this PEM file");
  ca->type_name("FILE");
  auto* cert = app->add_option("--tls_certificate", command->tls_certificate,
                               "Our certificate, for mutual TLS");
  auto* key = app->add_option("--tls_key", command->tls_key, "Its private key");
  cert->type_name("FILE")->needs(ca)->needs(key);
  key->type_name("FILE")->needs(cert);
  app->add_flag("--json", command->json, "One JSON object");
  app->add_flag("--list", command->list, "Only list the checks; takes no ADDRESS");
  AddInsecure(app, &command->insecure);
  app->parse_complete_callback([command] {
    if (command->address.empty() && !command->list) throw CLI::RequiredError("ADDRESS");
    if (command->tls_ca.empty()) RequireLoopback("ADDRESS", command->address, command->insecure);
  });
  app->footer(
      "Examples:\n"
      "  tpo verifier-check 127.0.0.1:50052\n"
      "  tpo verifier-check 127.0.0.1:50052 --task code/python --example example.json\n"
      "  tpo verifier-check --list\n"
      "\n"
      "Exit status: 0 all checks passed, 1 a check failed, 2 the arguments were refused or nobody "
      "answers.\n");
}

void DefineValidate(CLI::App* app, ValidateCommand* command) {
  auto* config = app->add_option("CONFIG", command->config,
                                 "YAML file that describes a run, or the verifiers of tpo-verifier")
                     ->type_name("");
  AddOverrides(app, &command->overrides);
  app->add_flag("--resolved", command->resolved, "Print the config with all defaults filled in");
  app->add_flag("--reference", command->reference,
                "Print the reference of all fields in Markdown; takes no CONFIG")
      ->excludes(config);
  app->parse_complete_callback([command] {
    if (command->config.empty() && !command->reference) throw CLI::RequiredError("CONFIG");
  });
  app->footer(
      "Examples:\n"
      "  tpo validate examples/reverse_copy.yaml\n"
      "  tpo validate examples/reverse_copy.yaml --set learner.objective=grpo --resolved\n");
}

void DefineMetrics(CLI::App* app, MetricsCommand*) {
  app->footer("Example:\n  tpo metrics | less\n");
}

// Each has its options in a group of its name.
constexpr char kGraphColoring[] = "graph_coloring";
constexpr char kKnightsKnaves[] = "knights_knaves";

void RefuseOptionsOfOtherTask(const CLI::App& app, const std::string& task) {
  for (const CLI::Option* const option : app.get_options()) {
    const std::string& group = option->get_group();
    if ((group == kGraphColoring || group == kKnightsKnaves) && group != task &&
        option->count() > 0)
      throw CLI::ValidationError(option->get_name(), "is for " + group);
  }
}

void DefineDataset(CLI::App* app, DatasetCommand* command) {
  app->add_option("TASK", command->task, "graph_coloring or knights_knaves")
      ->type_name("")
      ->required()
      ->check(CLI::IsMember({kGraphColoring, kKnightsKnaves}).description(""));
  app->add_option("--out", command->out, "File to write; replaced where it exists")
      ->type_name("FILE")
      ->required();
  AddWholeNumber(app, "--count", 1, 10'000'000, &command->count, "Rows");
  app->add_option("--seed", command->seed, "The same seed gives the same rows")
      ->type_name("N")
      ->capture_default_str();
  AddWholeNumber(app, "--min_vertices", 1, 1000, &command->min_vertices, "Fewest vertices")
      ->group(kGraphColoring);
  AddWholeNumber(app, "--max_vertices", 1, 1000, &command->max_vertices, "Most vertices")
      ->group(kGraphColoring);
  AddWholeNumber(app, "--colors", 1, 1000, &command->colors, "Colors")->group(kGraphColoring);
  app->add_option("--edge_probability", command->edge_probability,
                  "Probability that an edge joins two vertices")
      ->type_name("P")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->capture_default_str()
      ->group(kGraphColoring);
  AddWholeNumber(app, "--people", 1, 12, &command->people, "People")->group(kKnightsKnaves);
  AddWholeNumber(app, "--depth", 1, 8, &command->depth, "Most levels of a statement")
      ->group(kKnightsKnaves);
  AddWholeNumber(app, "--width", 2, 8, &command->width, "Most parts of an \"and\" or \"or\"")
      ->group(kKnightsKnaves);
  app->parse_complete_callback([app, command] { RefuseOptionsOfOtherTask(*app, command->task); });
  app->footer(
      "Examples:\n"
      "  tpo dataset graph_coloring --count 1000 --out coloring.jsonl\n"
      "  tpo dataset knights_knaves --people 3 --seed 1 --out knights.jsonl\n");
}

// Storage for the flags of every command, and what each becomes.
class Parser {
 public:
  Parser()
      : app_("Distributed reinforcement-learning post-training with Target Policy Optimization.",
             "tpo") {
    app_.footer(kFooter);
    app_.set_version_flag("--version", VersionText("tpo"), "Print version, commit and build type");
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
    Add("train", "Run learner, rollout workers and verifier in one process", DefineTrain, &train_);
    Add("learner", "Serve prompts and weights to rollout workers, and train", DefineLearner,
        &learner_);
    Add("rollout", "Sample completions for a learner", DefineRollout, &rollout_);
    Add("relay", "Hand a learner's weights on to the workers of a node", DefineRelay, &relay_);
    Add("eval", "Measure a checkpoint on fresh prompts", DefineEval, &eval_);
    Add("generate", "Show completions of a checkpoint", DefineGenerate, &generate_);
    Add("inspect", "Show what training did with single groups", DefineInspect, &inspect_);
    Add("export", "Write a checkpoint as safetensors and config.json", DefineExport, &export_);
    Add("report", "Write report.html for a run", DefineReport, &report_);
    Add("status", "Ask a learner how far it is", DefineStatus, &status_);
    Add("admin", "Ask a learner for a checkpoint, or to end", DefineAdmin, &admin_);
    Add("verifier-check", "Check that a verifier keeps the contract", DefineVerifierCheck,
        &verifier_check_);
    Add("validate", "Check a config without running it", DefineValidate, &validate_);
    Add("metrics", "Print the reference of all Prometheus metrics", DefineMetrics, &metrics_);
    Add("dataset", "Write a dataset of generated puzzles", DefineDataset, &dataset_);
  }

  std::variant<Command, CommandLineExit> Parse(int argc, const char* const* argv) {
    if (argc < 2) return CommandLineExit{kExitRefused, app_.help()};
    if (const std::string first = argv[1]; !first.starts_with("-") && !commands_.contains(first)) {
      return CommandLineExit{kExitRefused, UnknownCommand(first)};
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      CommandLineExit exit;
      exit.status = ExplainParseError(app_, error, &exit.text);
      return exit;
    }
    return commands_.at(app_.get_subcommands().front()->get_name())();
  }

 private:
  template <typename T>
  void Add(const std::string& name, const std::string& help, void (*define)(CLI::App*, T*),
           T* command) {
    CLI::App* app = app_.add_subcommand(name, help);
    app->get_formatter()->column_width(34);
    define(app, command);
    commands_[name] = [command] { return Command(*command); };
  }

  std::string UnknownCommand(const std::string& name) const {
    std::vector<std::string> names;
    for (const auto& [known, make] : commands_) names.push_back(known);
    return "tpo: there is no command " + name + DidYouMean(name, names) + "\nTry tpo --help.\n";
  }

  CLI::App app_;
  std::map<std::string, std::function<Command()>> commands_;
  TrainCommand train_;
  LearnerCommand learner_;
  RolloutCommand rollout_;
  RelayCommand relay_;
  EvalCommand eval_;
  GenerateCommand generate_;
  InspectCommand inspect_;
  ExportCommand export_;
  ReportCommand report_;
  StatusCommand status_;
  AdminCommand admin_;
  VerifierCheckCommand verifier_check_;
  ValidateCommand validate_;
  MetricsCommand metrics_;
  DatasetCommand dataset_;
};

}  // namespace

std::variant<Command, CommandLineExit> ParseCommandLine(int argc, const char* const* argv) {
  return Parser().Parse(argc, argv);
}

int PrintExit(const CommandLineExit& exit) {
  std::ostream& out = exit.status == kExitDone ? std::cout : std::cerr;
  out << exit.text << std::flush;
  return out ? exit.status : kExitFailed;
}

std::string DefaultRunDirectory(const std::string& config_file, absl::Time now) {
  const std::string name = std::filesystem::path(config_file).stem().string();
  return "runs/" + (name.empty() ? "run" : name) + "-" +
         absl::FormatTime("%Y%m%d-%H%M%S", now, absl::UTCTimeZone());
}

}  // namespace tpo
