#include "verifier/reasoning_gym/graph_coloring.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"
#include "verifier/reasoning_gym/row_random.h"
#include "verifier/rules/bounded_json.h"

namespace tpo {
namespace {

using nlohmann::json;

// Python's reader gives up at about this depth, too.
constexpr JsonBounds kAnswerBounds = {.bytes = size_t{1} << 20, .depth = 950};

absl::StatusOr<std::vector<int64_t>> Integers(const json& puzzle, const std::string& name) {
  if (!puzzle.contains(name) || !puzzle[name].is_array())
    return absl::InvalidArgumentError(absl::StrCat(name, ": has to be a list of integers"));
  std::vector<int64_t> numbers;
  for (const json& number : puzzle[name]) {
    if (!number.is_number_integer())
      return absl::InvalidArgumentError(absl::StrCat(name, ": has to be a list of integers"));
    numbers.push_back(number.get<int64_t>());
  }
  return numbers;
}

// Of JSON as Python writes and reads it: names of numbers that RFC 8259 doesn't have become null,
// which no vertex or color is equal to either.
std::string WithoutNamedNumbers(std::string_view text) {
  std::string plain;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (!in_string) {
      bool named = false;
      for (const std::string_view name : {"NaN", "-Infinity", "Infinity"}) {
        if (!text.substr(i).starts_with(name)) continue;
        plain += "null";
        i += name.size() - 1;
        named = true;
        break;
      }
      if (named) continue;
    }
    plain.push_back(text[i]);
    if (in_string && text[i] == '\\' && i + 1 < text.size()) {
      plain.push_back(text[++i]);
    } else if (text[i] == '"') {
      in_string = !in_string;
    }
  }
  return plain;
}

absl::StatusOr<json> ParseAnswer(std::string_view answer) {
  absl::StatusOr<json> value = ParseBoundedJson(answer, kAnswerBounds);
  if (value.ok()) return value;
  return ParseBoundedJson(WithoutNamedNumbers(answer), kAnswerBounds);
}

// As Python compares numbers, of which True and False are two.
std::optional<long double> NumberIn(const json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  if (value.is_number()) return value.get<long double>();
  return std::nullopt;
}

// What looking a vertex up in an answer comes to: a value; nothing, which makes the coloring
// incomplete; or an error, after which the answer is worth nothing.
struct LookedUp {
  bool error = false;
  const json* value = nullptr;
};

LookedUp InObject(const json& answer, int64_t vertex) {
  const auto member = answer.find(std::to_string(vertex));
  if (member == answer.end()) return {};
  return {.error = false, .value = &*member};
}

// A list: `vertex in answer` asks for an element that equals it, answer[vertex] for a place.
class ListAnswer {
 public:
  explicit ListAnswer(const json& answer) : answer_(answer) {
    for (const json& element : answer) {
      if (const auto number = NumberIn(element)) numbers_.insert(*number);
      if (element.is_string()) texts_.insert(element.get<std::string>());
    }
  }

  LookedUp Find(int64_t vertex) const {
    if (numbers_.contains(static_cast<long double>(vertex))) {
      const auto size = static_cast<int64_t>(answer_.size());
      const int64_t place = vertex < 0 ? vertex + size : vertex;
      if (place < 0 || place >= size) return {.error = true, .value = nullptr};
      return {.error = false, .value = &answer_[static_cast<size_t>(place)]};
    }
    return {.error = texts_.contains(std::to_string(vertex)), .value = nullptr};
  }

 private:
  const json& answer_;
  std::set<long double> numbers_;
  std::set<std::string> texts_;
};

template <typename Find>
double ScoreMapping(const GraphColoringPuzzle& puzzle, const Find& find, double json_score) {
  std::map<int64_t, const json*> colors;
  for (const int64_t vertex : puzzle.vertices) {
    const LookedUp found = find(vertex);
    if (found.error) return 0;
    if (found.value == nullptr) return json_score;
    colors[vertex] = found.value;
  }
  const std::set<long double> allowed(puzzle.colors.begin(), puzzle.colors.end());
  for (const int64_t vertex : puzzle.vertices) {
    const json& color = *colors[vertex];
    if (color.is_structured()) return 0;  // no member of a set in Python
    const auto number = NumberIn(color);
    if (!number.has_value() || !allowed.contains(*number)) return json_score;
  }
  for (const auto& [from, to] : puzzle.edges) {
    if (*NumberIn(*colors[from]) == *NumberIn(*colors[to])) return json_score;
  }
  return 1;
}

using Edges = std::vector<std::pair<int64_t, int64_t>>;

Edges RandomEdges(int vertices, double probability, RowRandom* random) {
  Edges edges;
  for (int from = 0; from < vertices; ++from) {
    for (int to = from + 1; to < vertices; ++to) {
      if (random->Uniform() < probability) edges.emplace_back(from, to);
    }
  }
  return edges;
}

// Colors 1 … `colors`, each vertex the first that no neighbour before it has; empty: they don't
// suffice.
std::vector<int> GreedyColoring(int vertices, const Edges& edges, int colors) {
  std::vector<std::set<int>> taken(vertices);
  std::vector<int> coloring;
  for (int vertex = 0; vertex < vertices; ++vertex) {
    int color = 1;
    while (taken[vertex].contains(color)) ++color;
    if (color > colors) return {};
    coloring.push_back(color);
    for (const auto& [from, to] : edges) {
      if (from == vertex) taken[to].insert(color);
    }
  }
  return coloring;
}

template <typename Numbers, typename Format>
std::string List(const Numbers& numbers, const Format& format) {
  return absl::StrCat("[", absl::StrJoin(numbers, ", ", format), "]");
}

std::string PromptText(const GraphColoringPuzzle& puzzle) {
  const auto number = [](std::string* out, int64_t value) { absl::StrAppend(out, value); };
  const auto edge = [](std::string* out, const std::pair<int64_t, int64_t>& pair) {
    absl::StrAppend(out, "(", pair.first, ", ", pair.second, ")");
  };
  return absl::StrCat(
      "Give each vertex of this graph one of the colors, so that no edge joins two vertices of the "
      "same color.\n\nVertices: ",
      List(puzzle.vertices, number), "\nEdges: ", List(puzzle.edges, edge),
      "\nColors: ", List(puzzle.colors, number),
      "\n\nAnswer with a JSON object that maps every vertex to its color, such as {\"0\": 2, "
      "\"1\": "
      "1}.");
}

absl::Status Check(const GraphColoringParameters& parameters) {
  if (parameters.min_vertices < 1 || parameters.max_vertices > 1000 ||
      parameters.min_vertices > parameters.max_vertices) {
    return absl::InvalidArgumentError("vertices: has to be a range within 1 and 1000");
  }
  if (parameters.colors < 1 || parameters.colors > 1000)
    return absl::InvalidArgumentError("colors: has to be from 1 to 1000");
  if (!(parameters.edge_probability >= 0 && parameters.edge_probability <= 1))
    return absl::InvalidArgumentError("edge_probability: has to be from 0 to 1");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GraphColoringPuzzle> ParseGraphColoringPuzzle(std::string_view text) {
  TPO_ASSIGN_OR_RETURN(const json puzzle, ParseBoundedJson(text));
  if (!puzzle.is_object()) return absl::InvalidArgumentError("is no JSON object");
  GraphColoringPuzzle parsed;
  TPO_ASSIGN_OR_RETURN(parsed.vertices, Integers(puzzle, "vertices"));
  TPO_ASSIGN_OR_RETURN(parsed.colors, Integers(puzzle, "color_options"));
  const std::set<int64_t> vertices(parsed.vertices.begin(), parsed.vertices.end());
  const json edges = puzzle.value("edges", json());
  if (!edges.is_array()) return absl::InvalidArgumentError("edges: has to be a list of pairs");
  for (const json& edge : edges) {
    if (!edge.is_array() || edge.size() != 2 || !edge[0].is_number_integer() ||
        !edge[1].is_number_integer()) {
      return absl::InvalidArgumentError("edges: has to be a list of pairs of vertices");
    }
    parsed.edges.emplace_back(edge[0].get<int64_t>(), edge[1].get<int64_t>());
    if (!vertices.contains(parsed.edges.back().first) ||
        !vertices.contains(parsed.edges.back().second)) {
      return absl::InvalidArgumentError("edges: names a vertex that there isn't");
    }
  }
  return parsed;
}

double ScoreGraphColoring(const GraphColoringPuzzle& puzzle, std::string_view answer,
                          double json_score) {
  const absl::StatusOr<json> value = ParseAnswer(answer);
  if (!value.ok()) return 0;
  if (value->is_object()) {
    return ScoreMapping(
        puzzle, [&](int64_t vertex) { return InObject(*value, vertex); }, json_score);
  }
  if (value->is_array()) {
    const ListAnswer list(*value);
    return ScoreMapping(
        puzzle, [&](int64_t vertex) { return list.Find(vertex); }, json_score);
  }
  return puzzle.vertices.empty() ? 1 : 0;
}

absl::StatusOr<nlohmann::ordered_json> GenerateGraphColoring(
    const GraphColoringParameters& parameters, uint64_t seed, uint64_t row) {
  TPO_RETURN_IF_ERROR(Check(parameters));
  constexpr int kTries = 1000;
  RowRandom random(seed, row);
  for (int i = 0; i < kTries; ++i) {
    const int vertices =
        parameters.min_vertices +
        static_cast<int>(random.Below(parameters.max_vertices - parameters.min_vertices + 1));
    GraphColoringPuzzle puzzle;
    puzzle.edges = RandomEdges(vertices, parameters.edge_probability, &random);
    const std::vector<int> coloring = GreedyColoring(vertices, puzzle.edges, parameters.colors);
    if (coloring.empty()) continue;
    nlohmann::ordered_json answer;
    for (int vertex = 0; vertex < vertices; ++vertex) {
      puzzle.vertices.push_back(vertex);
      answer[std::to_string(vertex)] = coloring[vertex];
    }
    for (int color = 1; color <= parameters.colors; ++color) puzzle.colors.push_back(color);
    return nlohmann::ordered_json{{"prompt", PromptText(puzzle)},
                                  {"answer", answer.dump()},
                                  {"task", "graph_coloring"},
                                  {"puzzle",
                                   {{"vertices", puzzle.vertices},
                                    {"edges", puzzle.edges},
                                    {"color_options", puzzle.colors}}}};
  }
  return absl::InvalidArgumentError(absl::StrCat("row ", row, ": ", parameters.colors,
                                                 " colors didn't suffice for any of ", kTries,
                                                 " graphs; ask for fewer vertices or edges"));
}

}  // namespace tpo
