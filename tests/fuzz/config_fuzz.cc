// YAML configs and overrides. What is accepted has to survive being written and read again.
#include <string>

#include "services/config/config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tpo::FuzzInput input(data, size);
  const uint8_t kind = input.Byte();
  const std::string text(input.Rest());
  if (kind % 3 == 0) {
    (void)tpo::ParseVerifierService(text, "fuzz.yaml");
    return 0;
  }
  const absl::StatusOr<tpo::v1::Config> config =
      kind % 3 == 1 ? tpo::ParseConfig(text, "fuzz.yaml", {})
                    : tpo::ParseConfig(
                          "task: {sequence: {target: copy, reward: sequential, vocab_size: 2, "
                          "length: 3}}\n",
                          "base.yaml", {text});
  if (!config.ok()) return 0;
  (void)tpo::ToRunSpec(*config);
  const std::string written = tpo::ToYaml(*config);
  const absl::StatusOr<tpo::v1::Config> again = tpo::ParseConfig(written, "again.yaml", {});
  tpo::Require(again.ok(), "a resolved config can be read again");
  tpo::Require(tpo::ToYaml(*again) == written, "and is the same");
  return 0;
}
