// The small tokenizers and cases that make_golden.py wrote.
#ifndef TPO_TESTS_POLICY_TOKENIZER_TEST_TOKENIZERS_H_
#define TPO_TESTS_POLICY_TOKENIZER_TEST_TOKENIZERS_H_

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "nlohmann/json.hpp"

namespace tpo {

inline std::string TokenizerTestPath(const std::string& name) {
  const char* source = std::getenv("TPO_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/tests/policy/tokenizer/" + name;
}

inline std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Throws, and so fails the test, if the file isn't there.
inline nlohmann::json ReadTestJson(const std::string& path) {
  return nlohmann::json::parse(ReadTestFile(path));
}

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_TOKENIZER_TEST_TOKENIZERS_H_
