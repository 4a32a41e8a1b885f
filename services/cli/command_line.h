// The flags of `tpo` and all its commands, defined once: the front-end (services/cli/front_end.h)
// parses them to answer what it can answer itself, and the engine that it starts for the rest
// parses the same arguments again.
//
// Pure functions; thread-safe.
#ifndef TPO_SERVICES_CLI_COMMAND_LINE_H_
#define TPO_SERVICES_CLI_COMMAND_LINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "services/cli/server_flags.h"
#include "services/cli/trace_flags.h"

namespace tpo {

// Files in PEM for TLS towards a server (services/grpc/tls.h). All empty: plaintext.
struct ClientTlsFlags {
  std::string ca;           // empty: the authorities that the system trusts
  std::string certificate;  // with the key
  std::string key;
  std::string server_name;  // empty: the host's

  bool given() const { return !ca.empty() || !certificate.empty() || !server_name.empty(); }
};

// Files in PEM for mutual TLS towards clients: all or none. Empty: plaintext.
struct ServerTlsFlags {
  std::string certificate;
  std::string key;
  std::string client_ca;

  bool given() const { return !certificate.empty(); }
};

// What train and learner have in common. Addresses are HOST:PORT here and below, checked; where the
// program listens, port 0 lets the system pick one.
struct RunFlags {
  std::string config;
  std::vector<std::string> overrides;  // --set, in order
  std::string run_dir;                 // empty: DefaultRunDirectory
  bool resume = false;                 // only with run_dir
  std::string metrics_listen;          // empty: none
  std::string status_listen;           // of the status page; empty: none
  TraceFlags traces;
  int drain_seconds = 10;  // for groups in workers' hands
  bool quiet = false;
  // Plaintext off loopback was asked for. Parsing refuses addresses that would need it.
  bool insecure = false;
};

// Learner, workers and verifier in one process.
struct TrainCommand {
  RunFlags run;
};

struct LearnerCommand {
  RunFlags run;
  std::string listen;
  ServerTlsFlags tls;
  int max_connection_age_seconds = kMaxConnectionAgeSeconds;
  bool keep_serving = false;        // after the last step, until a signal
  bool drained_is_failure = false;  // a run that a signal ended early has failed
};

struct RolloutCommand {
  std::string learner;
  std::string weights;      // of a relay; empty: the learner
  ClientTlsFlags tls;       // towards the learner, and towards verifiers that say no other
  std::string name;         // empty: the host's name
  int parallel_leases = 0;  // 0: the worker decides
  int give_up_after_seconds = 600;
  int drain_seconds = 8;  // for the leases in hand
  std::string metrics_listen;
  TraceFlags traces;
  bool quiet = false;
  bool insecure = false;
};

// Hands the learner's weights on to the workers of its node.
struct RelayCommand {
  std::string learner;  // or another relay
  std::string listen;
  std::string name;           // empty: the host's name
  ClientTlsFlags client_tls;  // towards the learner
  ServerTlsFlags server_tls;  // with the same certificate and key
  int max_connection_age_seconds = kMaxConnectionAgeSeconds;
  bool keep_serving = false;  // after the end of the run, until a signal
  std::string metrics_listen;
  TraceFlags traces;
  bool insecure = false;
};

// For a run's own prompts, of how its external verifiers are reached.
struct VerifierFlags {
  ClientTlsFlags tls;     // where the config says {}; no server_name
  bool insecure = false;  // plaintext off loopback
};

struct EvalCommand {
  std::string run;  // run directory, or one checkpoint in it
  int prompts = 1000;
  int samples = 1;  // completions per prompt
  bool greedy = false;
  std::optional<int64_t> step;  // unset: the newest checkpoint
  VerifierFlags verifiers;
};

// What a language model is asked for; a run's policy has a task instead.
struct LanguageModelFlags {
  std::vector<std::string> prompts;  // texts
  std::string tokens;                // a prompt as token numbers
  bool chat = false;                 // each prompt is a user's message
  int max_tokens = 64;
  double temperature = 1.0;
  int top_k = 0;
  double top_p = 1.0;
  double min_p = 0.0;
  std::string ban;  // token numbers
  std::vector<std::string> stop;
  uint64_t seed = 0;
  std::string compute_type;  // empty: the run's; of a directory bfloat16
  int threads = 0;
  bool json = false;
};

struct GenerateCommand {
  std::string run;  // or the directory of a language model
  int prompts = 4;
  int samples = 1;
  bool greedy = false;
  std::optional<int64_t> step;
  VerifierFlags verifiers;
  LanguageModelFlags language_model;
};

struct InspectCommand {
  std::string run_dir;
  std::optional<int64_t> step;
  int groups = 4;
  bool json = false;
};

struct ExportCommand {
  std::string run;  // or the directory of a language model
  std::string directory;
  std::optional<int64_t> step;
  std::string type;       // of a language model's weights; empty: float32
  bool adapters = false;  // instead of weights that they are merged into
};

struct ReportCommand {
  std::string run_dir;
};

struct StatusCommand {
  std::string learner;
  ClientTlsFlags tls;
  bool json = false;
  bool insecure = false;
};

// What an operator asks of a learner that runs.
struct AdminCommand {
  enum class Action { kCheckpoint, kDrain };
  Action action = Action::kCheckpoint;
  std::string learner;
  ClientTlsFlags tls;
  bool json = false;
  bool insecure = false;
};

// Prints the reference of all metrics.
struct MetricsCommand {};

struct VerifierCheckCommand {
  std::string address;  // empty only with `list`
  std::string task;     // empty: the first that the verifier describes
  std::string example;  // file with a VerifyRequest as protobuf JSON; empty: a built-in prompt
  std::vector<std::string> only;  // names of checks; empty: all
  // PEM files; a CA makes the connection TLS.
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
  int timeout_seconds = 30;  // of one call
  bool json = false;
  bool list = false;
  bool insecure = false;
};

struct ValidateCommand {
  std::string config;  // empty only with `reference`
  std::vector<std::string> overrides;
  bool resolved = false;   // print the resolved config
  bool reference = false;  // print docs/config.md
};

// Writes a dataset of generated puzzles.
struct DatasetCommand {
  std::string task;  // graph_coloring or knights_knaves
  std::string out;
  int count = 1000;
  uint64_t seed = 0;
  // graph_coloring
  int min_vertices = 10;
  int max_vertices = 10;
  int colors = 3;
  double edge_probability = 0.1;
  // knights_knaves
  int people = 2;
  int depth = 2;
  int width = 2;
};

using Command = std::variant<TrainCommand, LearnerCommand, RolloutCommand, RelayCommand,
                             EvalCommand, GenerateCommand, InspectCommand, ExportCommand,
                             ReportCommand, StatusCommand, AdminCommand, VerifierCheckCommand,
                             ValidateCommand, MetricsCommand, DatasetCommand>;

// The program is to end at once: --help and --version (status 0), or arguments that were refused
// (status 2).
struct CommandLineExit {
  int status = 0;
  std::string
      text;  // for standard output with status 0, else for standard error; ends in a newline
};

std::variant<Command, CommandLineExit> ParseCommandLine(int argc, const char* const* argv);

// Writes the text where it belongs and returns the status.
int PrintExit(const CommandLineExit& exit);

// runs/<name of the config file>-<UTC time>.
std::string DefaultRunDirectory(const std::string& config_file, absl::Time now);

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_COMMAND_LINE_H_
