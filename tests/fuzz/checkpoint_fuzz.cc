// A checkpoint's manifest and state. What is accepted can be written and is read again as the same.
#include <string>

#include "learner/checkpoint_format.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tpo::FuzzInput input(data, size);
  const bool manifest = input.Byte() % 2 == 0;
  const std::string text(input.Rest());
  if (manifest) {
    const absl::StatusOr<tpo::CheckpointManifest> parsed = tpo::ParseManifest(text);
    if (!parsed.ok()) return 0;
    const auto again = tpo::ParseManifest(tpo::FormatManifest(*parsed));
    tpo::Require(again.ok() && *again == *parsed, "a manifest can be read again");
    return 0;
  }
  const absl::StatusOr<tpo::CheckpointData> state = tpo::ParseState(text);
  if (!state.ok()) return 0;
  const std::string written = tpo::FormatState(*state);
  const auto again = tpo::ParseState(written);
  tpo::Require(again.ok(), "a state can be read again");
  tpo::Require(tpo::FormatState(*again) == written, "and is the same");
  return 0;
}
