#include "tests/policy/hugging_face/golden_tensors.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <nlohmann/json.hpp>

#include "tests/golden_data.h"

namespace tpo {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "golden data: %s\n", why.c_str());
  std::abort();
}

}  // namespace

std::vector<std::string> GoldenModels() {
  const auto golden = GoldenDirectory();
  if (!golden.ok()) Die(golden.status().ToString());
  std::vector<std::string> cases;
  for (const auto& entry : std::filesystem::directory_iterator(*golden / "hf")) {
    if (std::filesystem::exists(entry.path() / "config.json"))
      cases.push_back(entry.path().string());
  }
  if (cases.empty()) Die("no case under " + (*golden / "hf").string());
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::string CaseName(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

const float* GoldenTensor::At(int64_t first) const {
  return values.data() + first * (static_cast<int64_t>(values.size()) / shape[0]);
}

const float* GoldenTensor::At(int64_t first, int64_t second) const {
  return At(first) + second * (static_cast<int64_t>(values.size()) / shape[0] / shape[1]);
}

std::map<std::string, GoldenTensor> ReadGoldenTensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.size() < 8) Die("can't read " + path);
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  const char* const data = bytes.data() + 8 + length;
  std::map<std::string, GoldenTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    GoldenTensor tensor;
    entry.at("shape").get_to(tensor.shape);
    const uint64_t begin = entry.at("data_offsets")[0];
    const uint64_t end = entry.at("data_offsets")[1];
    tensor.values.resize((end - begin) / 4);
    for (size_t i = 0; i < tensor.values.size(); ++i) {
      if (entry.at("dtype") == "I32") {
        int32_t value = 0;
        std::memcpy(&value, data + begin + 4 * i, 4);
        tensor.values[i] = static_cast<float>(value);
      } else {
        std::memcpy(&tensor.values[i], data + begin + 4 * i, 4);
      }
    }
    tensors[name] = std::move(tensor);
  }
  return tensors;
}

}  // namespace tpo
