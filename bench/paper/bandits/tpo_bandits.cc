// tpo-bandits: the paper's bandit studies (paper.md §4), one sub-command each.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bench/paper/bandits/idx.h"
#include "bench/paper/bandits/study.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/cli/flags.h"

namespace tpo {
namespace {

constexpr int kMostSeeds = 10000;
constexpr int kMostSteps = 10'000'000;
constexpr int kMostThreads = 1024;

struct Arguments {
  std::string out;
  std::string methods;
  int single_seeds = 100;
  int multi_seeds = 100;
  int neural_seeds = 20;
  SingleContextSettings single;
  MultiContextSettings multi;
  NeuralSettings neural;
  std::string data;
  std::string data_name;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
};

void AddCommonOptions(CLI::App* app, Arguments& arguments, int* seeds, int* steps) {
  app->add_option("--out", arguments.out, "Folder of the results; made when it isn't there")
      ->type_name("DIR")
      ->required();
  AddWholeNumber(app, "--seeds", 1, kMostSeeds, seeds, "Seeds 0 to N - 1");
  AddWholeNumber(app, "--steps", 1, kMostSteps, steps, "Updates of each run");
  app->add_option("--methods", arguments.methods, "Some of the methods, with commas [all]")
      ->type_name("LIST");
}

void AddNeural(CLI::App* app, Arguments& arguments) {
  AddCommonOptions(app, arguments, &arguments.neural_seeds, &arguments.neural.steps);
  app->add_option("--data", arguments.data,
                  "Folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, "
                  "t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or .gz")
      ->type_name("DIR")
      ->required();
  app->add_option("--data_name", arguments.data_name,
                  "What the results call the data [the folder's name]")
      ->type_name("NAME");
  AddWholeNumber(app, "--test_every", 1, kMostSteps, &arguments.neural.test_every,
                 "Updates from one test to the next");
  AddWholeNumber(app, "--threads", 1, kMostThreads, &arguments.threads, "Seeds run side by side");
}

absl::StatusOr<std::vector<BanditMethod>> ChosenMethods(BanditStudy study,
                                                        const std::string& list) {
  if (list.empty()) return MethodsOf(study);
  std::vector<BanditMethod> methods;
  for (const absl::string_view name : absl::StrSplit(list, ',')) {
    TPO_ASSIGN_OR_RETURN(const BanditMethod method, ParseMethod(study, std::string(name)));
    if (std::find(methods.begin(), methods.end(), method) == methods.end()) {
      methods.push_back(method);
    }
  }
  return methods;
}

// What the data is called: a part of file names.
absl::StatusOr<std::string> DataName(const Arguments& arguments) {
  std::string name = arguments.data_name;
  if (name.empty()) {
    name =
        (std::filesystem::path(arguments.data) / ".").lexically_normal().parent_path().filename();
  }
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_';
  });
  if (name.empty() || !plain) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--data_name: \"", name, "\" has to be of letters, digits, hyphens and underscores"));
  }
  return name;
}

absl::Status RunNeural(const StudyOptions& options, const Arguments& arguments) {
  const NeuralSettings& settings = arguments.neural;
  if (settings.steps % settings.test_every != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "--steps ", settings.steps, " is not a multiple of --test_every ", settings.test_every));
  }
  TPO_ASSIGN_OR_RETURN(const std::string name, DataName(arguments));
  TPO_ASSIGN_OR_RETURN(const ImageDataset dataset, LoadImageDataset(arguments.data, name));
  options.report(absl::StrCat(name, ": ", dataset.train.count, " training and ", dataset.test.count,
                              " test images"));
  for (const auto& [file, checksum] : dataset.checksums) {
    options.report(absl::StrCat("  sha256 ", checksum, "  ", file));
  }
  return RunNeuralStudy(options, settings, dataset, arguments.threads);
}

absl::Status RunStudy(BanditStudy study, const Arguments& arguments, int argc,
                      const char* const* argv) {
  StudyOptions options;
  TPO_ASSIGN_OR_RETURN(options.methods, ChosenMethods(study, arguments.methods));
  TPO_ASSIGN_OR_RETURN(options.provenance, CurrentProvenance(argc, argv));
  options.out = arguments.out;
  options.report = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  switch (study) {
    case BanditStudy::kSingle:
      options.seeds = arguments.single_seeds;
      return RunSingleStudy(options, arguments.single);
    case BanditStudy::kMulti:
      options.seeds = arguments.multi_seeds;
      return RunMultiStudy(options, arguments.multi);
    case BanditStudy::kNeural:
      options.seeds = arguments.neural_seeds;
      return RunNeural(options, arguments);
  }
  return absl::OkStatus();
}

int Main(int argc, const char* const* argv) {
  Arguments arguments;
  CLI::App app("The bandit studies of the paper: one JSON file of results per method.",
               "tpo-bandits");
  app.set_version_flag("--version", VersionText("tpo-bandits"),
                       "Print version, commit and build type");
  app.require_subcommand(1);
  CLI::App* single = app.add_subcommand(
      "single", "One context, 100 arms, directions estimated from samples (Figure 2)");
  AddCommonOptions(single, arguments, &arguments.single_seeds, &arguments.single.steps);
  CLI::App* multi = app.add_subcommand(
      "multi", "100 contexts of 10 arms, exact directions, one step length (Figure 3)");
  AddCommonOptions(multi, arguments, &arguments.multi_seeds, &arguments.multi.steps);
  CLI::App* neural = app.add_subcommand(
      "neural",
      "A network that learns to classify images from bandit feedback (Figure 4). A study that was "
      "stopped goes on when it is started again with the same --out");
  AddNeural(neural, arguments);
  app.footer(
      "Examples:\n"
      "  tpo-bandits single --out results\n"
      "  tpo-bandits neural --data /usr/share/datasets/fashion-mnist --out results\n"
      "\n"
      "Exit status: 0 done, 2 the input was refused, 1 any other failure.\n");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::string text;
    const int exit_status = ExplainParseError(app, error, &text);
    std::fputs(text.c_str(), exit_status == kExitDone ? stdout : stderr);
    return exit_status;
  }
  const BanditStudy study = *single  ? BanditStudy::kSingle
                            : *multi ? BanditStudy::kMulti
                                     : BanditStudy::kNeural;
  const absl::Status status = RunStudy(study, arguments, argc, argv);
  if (!status.ok()) {
    std::fprintf(stderr, "tpo-bandits: %s\n", std::string(status.message()).c_str());
  }
  return ExitStatusOf(status);
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) { return tpo::Main(argc, argv); }
