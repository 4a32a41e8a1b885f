#include "core/group_digest.h"

#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/types/span.h"
#include "core/weight_snapshot.h"

namespace tpo {
namespace {

class Digest {
 public:
  template <typename T>
  void Add(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    AddBytes(&value, sizeof(value));
  }
  void Add(const std::string& text) {
    Add(text.size());
    AddBytes(text.data(), text.size());
  }
  template <typename T>
  void Add(const std::vector<T>& values) {
    static_assert(std::is_arithmetic_v<T>);
    Add(values.size());
    AddBytes(values.data(), values.size() * sizeof(T));
  }

  void Add(const Completion& completion) {
    Add(completion.tokens);
    Add(completion.behavior_log_probs);
    Add(completion.finish_reason);
    Add(completion.weight_versions.size());
    for (const WeightVersionSpan& span : completion.weight_versions) {
      Add(span.weight_version);
      Add(span.first_token);
    }
    Add(completion.text);
    Add(completion.candidate_tokens);
    Add(completion.candidate_log_probs);
  }

  void Add(const Verdict& verdict) {
    Add(verdict.kind);
    Add(verdict.score);
    Add(verdict.components.size());
    for (const auto& [name, value] : verdict.components) {
      Add(name);
      Add(value);
    }
    Add(verdict.reason);
    Add(verdict.token_rewards);
    Add(verdict.cost);
    Add(verdict.explanation);
  }

  uint32_t value() const { return crc_; }

 private:
  void AddBytes(const void* bytes, size_t size) {
    crc_ = ExtendCrc32c(crc_, absl::MakeConstSpan(static_cast<const std::byte*>(bytes), size));
  }

  uint32_t crc_ = 0;
};

}  // namespace

uint32_t GroupDigest(const Group& group) {
  Digest digest;
  digest.Add(group.lease_id);
  digest.Add(group.prompt_id);
  digest.Add(group.completions.size());
  for (const Completion& completion : group.completions) digest.Add(completion);
  digest.Add(group.verdicts.size());
  for (const Verdict& verdict : group.verdicts) digest.Add(verdict);
  return digest.value();
}

}  // namespace tpo
