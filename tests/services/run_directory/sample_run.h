// Made-up steps of a run that learns, so that files, reports and curves look like real ones. The
// same arguments give the same records.
#ifndef TPO_TESTS_SERVICES_RUN_DIRECTORY_SAMPLE_RUN_H_
#define TPO_TESTS_SERVICES_RUN_DIRECTORY_SAMPLE_RUN_H_

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core/step_record.h"
#include "nlohmann/json.hpp"

namespace tpo {

// Step `step` of a run of `total_steps`. The ledger balances; no inspected groups.
StepRecord SampleStep(int64_t step, int64_t total_steps);

// A group of four completions: solved, half solved, wrong, and one that the verifier failed on.
InspectedGroup SampleGroup(int64_t step, uint64_t prompt_id);

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void WriteText(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// The objects of a file of JSON lines; fails by an exception on a line that isn't one.
inline std::vector<nlohmann::json> ReadLines(const std::string& path) {
  std::ifstream file(path);
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(file, line);) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

inline std::vector<int64_t> StepsIn(const std::string& path) {
  std::vector<int64_t> steps;
  for (const nlohmann::json& object : ReadLines(path)) steps.push_back(object.at("step"));
  return steps;
}

}  // namespace tpo

#endif  // TPO_TESTS_SERVICES_RUN_DIRECTORY_SAMPLE_RUN_H_
