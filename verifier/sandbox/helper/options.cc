#include "verifier/sandbox/helper/options.h"

#include <charconv>
#include <cstdio>
#include <string_view>
#include <system_error>

namespace tpo {
namespace {

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseOption(std::string_view key, std::string_view value, HelperOptions* options) {
  if (key == "layers") return ParseNumber(value, &options->layers);
  if (key == "uid") return ParseNumber(value, &options->uid);
  if (key == "gid") return ParseNumber(value, &options->gid);
  if (key == "wall_ms") return ParseNumber(value, &options->wall_ms);
  if (key == "cpu_seconds") return ParseNumber(value, &options->cpu_seconds);
  if (key == "memory_bytes") return ParseNumber(value, &options->memory_bytes);
  if (key == "file_bytes") return ParseNumber(value, &options->file_bytes);
  if (key == "disk_bytes") return ParseNumber(value, &options->disk_bytes);
  if (key == "tasks") return ParseNumber(value, &options->tasks);
  if (key == "open_files") return ParseNumber(value, &options->open_files);
  if (key == "work_root") return options->work_root = value, true;
  if (key == "source_name") return options->source_name = value, true;
  if (key == "channel") return options->channel = value == "1", true;
  if (key == "inner") return options->inner = value == "1", true;
  if (key == "bubblewrap") return options->bubblewrap = value, true;
  if (key == "read") return options->readable_paths.emplace_back(value), true;
  if (key == "env") return options->environment.emplace_back(value), true;
  return false;
}

}  // namespace

bool ParseHelperOptions(int argc, char** argv, HelperOptions* options) {
  int next = 1;
  for (; next < argc && std::string_view(argv[next]) != "--"; ++next) {
    const std::string_view argument = argv[next];
    const size_t equals = argument.find('=');
    if (equals == std::string_view::npos ||
        !ParseOption(argument.substr(0, equals), argument.substr(equals + 1), options)) {
      std::fprintf(stderr, "tpo-sandbox: not understood: %s\n", argv[next]);
      return false;
    }
  }
  for (++next; next < argc; ++next) options->program.emplace_back(argv[next]);
  if (options->program.empty() || options->program[0].empty() || options->program[0][0] != '/') {
    std::fprintf(
        stderr,
        "tpo-sandbox: runs untrusted programs for a verifier, which starts it; the program "
        "has to be an absolute path after --\n");
    return false;
  }
  return true;
}

}  // namespace tpo
