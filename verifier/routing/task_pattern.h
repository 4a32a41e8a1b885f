// Which prompts a verifier judges: patterns over task names. A pattern is a name, or a prefix
// followed by '*', which stands for any rest.
//
// Pure functions.
#ifndef TPO_VERIFIER_ROUTING_TASK_PATTERN_H_
#define TPO_VERIFIER_ROUTING_TASK_PATTERN_H_

#include <string>
#include <string_view>
#include <vector>

namespace tpo {

inline bool MatchesTask(std::string_view pattern, std::string_view task) {
  if (!pattern.ends_with('*')) return pattern == task;
  return task.starts_with(pattern.substr(0, pattern.size() - 1));
}

inline bool MatchesAnyTask(const std::vector<std::string>& patterns, std::string_view task) {
  for (const std::string& pattern : patterns) {
    if (MatchesTask(pattern, task)) return true;
  }
  return false;
}

// Whether there can be a task that both match.
inline bool Overlap(std::string_view first, std::string_view second) {
  if (!first.ends_with('*')) return MatchesTask(second, first);
  if (!second.ends_with('*')) return MatchesTask(first, second);
  const std::string_view first_prefix = first.substr(0, first.size() - 1);
  const std::string_view second_prefix = second.substr(0, second.size() - 1);
  return first_prefix.starts_with(second_prefix) || second_prefix.starts_with(first_prefix);
}

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_TASK_PATTERN_H_
