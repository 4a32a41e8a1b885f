// The golden cases of Hugging Face models: each directory under hf/ of the golden data that holds a
// config.json (tests/golden/README.md).
#ifndef TPO_TESTS_POLICY_HUGGING_FACE_GOLDEN_TENSORS_H_
#define TPO_TESTS_POLICY_HUGGING_FACE_GOLDEN_TENSORS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tpo {

// Directories of all cases, sorted; at least one, or the process ends.
std::vector<std::string> GoldenModels();

// The last part of a path, as the name of a test: letters, digits and '_'.
std::string CaseName(const std::string& path);

struct GoldenTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // float32, or int32 converted

  // The last dimension's values at [index] of the first, or [first][second].
  const float* At(int64_t first) const;
  const float* At(int64_t first, int64_t second) const;
};

// All tensors of a safetensors file that holds float32 and int32. Ends the process when it can't be
// read.
std::map<std::string, GoldenTensor> ReadGoldenTensors(const std::string& path);

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_HUGGING_FACE_GOLDEN_TENSORS_H_
