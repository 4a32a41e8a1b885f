// Scores graph colorings as Reasoning Gym does (graph_coloring.h). Tasks: graph_coloring,
// graph_coloring/*. The whole text is the answer; the package itself judges what stands within
// <answer> tags (answer_tag "answer" of the config).
//
// kAbstained: the prompt has no puzzle. kFailed: it has a broken one. Component: "valid", 1 or 0.
#ifndef TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_VERIFIER_H_
#define TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_VERIFIER_H_

#include <memory>
#include <string>

#include "core/verifier_api.h"

namespace tpo {

struct GraphColoringOptions {
  // Of the prompt's metadata, with the puzzle as JSON; or else a member of the JSON in its field
  // "metadata", as in rows of the package.
  std::string puzzle_field = "puzzle";
  // Of JSON that is no valid coloring.
  double json_score = 0.01;
};

std::unique_ptr<VerifierApi> MakeGraphColoringVerifier(const GraphColoringOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_VERIFIER_H_
