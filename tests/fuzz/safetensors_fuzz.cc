// Tensor files. What is accepted says the same as a view and as a copy, and lies within the file.
#include <string_view>

#include "policy/safetensors.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::vector<tpo::SafetensorsView>> views = tpo::ViewSafetensors(file);
  const absl::StatusOr<tpo::TensorBundle> bundle = tpo::ParseSafetensors(file);
  if (bundle.ok()) tpo::Require(views.ok(), "what can be copied can be viewed");
  if (!views.ok()) return 0;
  size_t total = 0;
  for (const tpo::SafetensorsView& view : *views) {
    tpo::Require(
        view.bytes.empty() || (view.bytes.data() >= file.data() &&
                               view.bytes.data() + view.bytes.size() <= file.data() + file.size()),
        "a tensor lies within its file");
    const absl::StatusOr<uint64_t> bytes = tpo::TensorSizeBytes(view.spec);
    tpo::Require(bytes.ok() && view.bytes.size() == *bytes, "its size is its shape's");
    total += view.bytes.size();
  }
  tpo::Require(total <= size, "tensors don't overlap");
  if (!bundle.ok()) return 0;
  for (const tpo::TensorSpec& tensor : bundle->tensors()) (void)bundle->bytes(tensor);
  return 0;
}
