// The task "graph_color" of Reasoning Gym (Stojanovski et al., arXiv 2505.24760; PyPI package
// reasoning-gym 0.1.25): give each vertex of a graph a color that no neighbour has.
//
// Scores are the package's own (GraphColorDataset.score_answer), on its puzzles and on ours:
//   1           a valid coloring, as a JSON object of vertices to colors
//   json_score  JSON, but no valid coloring
//   0           no JSON, or nothing that maps vertices to colors
// The package judges what Python's json.loads makes of the answer, which is kept where it shows:
// NaN is JSON, true is 1, and a list is asked for its elements by what they are.
//
// Pure functions.
#ifndef TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_H_
#define TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace tpo {

struct GraphColoringPuzzle {
  std::vector<int64_t> vertices;
  std::vector<std::pair<int64_t, int64_t>> edges;
  std::vector<int64_t> colors;
};

// Reads {"vertices": [0, 1], "edges": [[0, 1]], "color_options": [1, 2]}; other members don't
// count. INVALID_ARGUMENT says what is wrong with it.
absl::StatusOr<GraphColoringPuzzle> ParseGraphColoringPuzzle(std::string_view json);

double ScoreGraphColoring(const GraphColoringPuzzle& puzzle, std::string_view answer,
                          double json_score);

// Each pair of vertices is joined with the edge's probability; graphs that the colors, given to one
// vertex after the other, don't suffice for are drawn again.
struct GraphColoringParameters {
  int min_vertices = 10;
  int max_vertices = 10;
  int colors = 3;
  double edge_probability = 0.1;
};

// A row of a dataset (policy/dataset/jsonl_dataset.h): prompt, answer (one of the solutions), task
// "graph_coloring", and the puzzle. INVALID_ARGUMENT: the parameters are out of range, or hardly
// any graph of theirs can be colored.
absl::StatusOr<nlohmann::ordered_json> GenerateGraphColoring(
    const GraphColoringParameters& parameters, uint64_t seed, uint64_t row);

}  // namespace tpo

#endif  // TPO_VERIFIER_REASONING_GYM_GRAPH_COLORING_H_
