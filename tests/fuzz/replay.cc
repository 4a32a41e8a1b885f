// main of a fuzz target as a regression test: runs it on the files of the folders that are its
// arguments, and on simple variations of them, which need no fuzzer: their beginnings, copies with
// one byte changed, and copies that are nested deeper than any stack is.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace {

// Of each kind, for one file.
constexpr size_t kVariations = 24;
// Of recursion, a frame each: more than a stack of 8 MiB has room for.
constexpr size_t kLevels = 200'000;

void Run(const std::string& input) {
  // A copy of exactly this size, so that a sanitizer sees reads past the end.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

// What fits as the first of a list or object in JSON.
const std::string& Nested() {
  static const std::string* const text =
      new std::string(std::string(kLevels, '[') + std::string(kLevels, ']') + ",");
  return *text;
}

void RunNested(const std::string& input) {
  const size_t count = static_cast<size_t>(
      std::count_if(input.begin(), input.end(), [](char c) { return c == '[' || c == '{'; }));
  const size_t step = std::max<size_t>(count / kVariations, 1);
  size_t number = 0;
  for (size_t at = 0; at < input.size(); ++at) {
    if ((input[at] != '[' && input[at] != '{') || number++ % step != 0) continue;
    std::string changed = input;
    changed.insert(at + 1, (input[at] == '{' ? "\"nested\":" : "") + Nested());
    Run(changed);
  }
}

void RunWithVariations(const std::string& input) {
  Run(input);
  RunNested(input);
  const size_t step = std::max<size_t>(input.size() / kVariations, 1);
  for (size_t at = 0; at < input.size(); at += step) {
    Run(input.substr(0, at));
    for (const char bits : {'\x01', '\x80', '\xff'}) {
      std::string changed = input;
      changed[at] = static_cast<char>(changed[at] ^ bits);
      Run(changed);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(argv[i]))
      paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    for (const std::filesystem::path& path : paths) {
      std::ifstream file(path, std::ios::binary);
      // Before it is run, so that the last line names the file that a crash is due to.
      std::printf("%s\n", path.c_str());
      std::fflush(stdout);
      RunWithVariations({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
      ++files;
    }
  }
  Run("");
  if (files == 0) std::fprintf(stderr, "no file in the corpus\n");
  // As libFuzzer ends: a target keeps its server for the life of the process, and gRPC would wait
  // for it.
  std::quick_exit(files == 0 ? 1 : 0);
}
