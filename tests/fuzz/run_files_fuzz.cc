// A run's files, as `tpo inspect`, `tpo report` and a resume read them: the input becomes
// groups.jsonl, metrics.jsonl and summary.json.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "services/run_directory/inspect.h"
#include "services/run_directory/report.h"
#include "services/run_directory/run_directory.h"
#include "tests/core/scratch_directory.h"
#include "tests/fuzz/fuzz.h"

namespace {

void Write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const tpo::ScratchDirectory directory;
  const tpo::RunPaths paths(directory.path());
  tpo::FuzzInput input(data, size);
  const uint8_t kind = input.Byte();
  std::ostringstream out;
  if (kind % 4 != 0) {
    Write(paths.groups, input.Rest());
    (void)tpo::InspectRun(directory.path(), {.step = std::nullopt, .json = kind % 4 == 1}, out);
    if (kind % 4 != 1) {
      for (const char c : out.str()) {
        tpo::Require(c == '\n' || static_cast<unsigned char>(c) >= ' ',
                     "nothing reaches a terminal that it would obey");
      }
    }
    return 0;
  }
  Write(paths.summary, input.Piece());
  Write(paths.groups, input.Piece());
  Write(paths.metrics, input.Rest());
  (void)tpo::WriteReport(directory.path());
  return 0;
}
