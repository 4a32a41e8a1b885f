// Puzzles of knights and knaves: statements are drawn until exactly one assignment of roles makes
// each person's statement as true as the person.
#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "verifier/reasoning_gym/knights_knaves.h"
#include "verifier/reasoning_gym/row_random.h"

namespace tpo {
namespace {

using nlohmann::ordered_json;

constexpr int kMostPeople = 12;
constexpr int kTries = 10000;

constexpr const char* kNames[] = {
    "Ada",   "Anton", "Bela",  "Bruno", "Carla",  "Cyril",  "Dora",  "Edgar", "Elsa", "Emil",
    "Fritz", "Gerda", "Hugo",  "Ida",   "Igor",   "Jana",   "Jonas", "Karl",  "Kira", "Lena",
    "Leo",   "Mara",  "Milan", "Nora",  "Oskar",  "Paula",  "Petra", "Quinn", "Ralf", "Rosa",
    "Selma", "Simon", "Tessa", "Theo",  "Ursula", "Viktor", "Wanda", "Xenia", "Yara", "Zeno"};

struct Roles {
  const char* truthful;
  const char* lying;
};
constexpr Roles kRolePairs[] = {{"a knight", "a knave"}, {"a pioneer", "a laggard"},
                                {"a saint", "a sinner"}, {"a hero", "a villain"},
                                {"an angel", "a devil"}, {"an altruist", "an egoist"},
                                {"a sage", "a fool"}};

std::string WithoutArticle(const std::string& role) { return role.substr(role.find(' ') + 1); }

enum class Kind { kTruthful, kLying, kNot, kAnd, kOr, kImplies, kIff };
constexpr const char* kKindNames[] = {"telling-truth", "lying", "not", "and", "or", "->", "<=>"};

struct Statement {
  Kind kind = Kind::kTruthful;
  int person = 0;                // of the first two kinds
  std::vector<Statement> parts;  // of the others

  bool simple() const { return kind == Kind::kTruthful || kind == Kind::kLying; }
  friend bool operator==(const Statement&, const Statement&) = default;
};

class Sampler {
 public:
  Sampler(const KnightsKnavesParameters& parameters, RowRandom* random)
      : parameters_(parameters), random_(*random) {}

  std::vector<Statement> Sample() {
    std::vector<Statement> statements;
    statements.reserve(static_cast<size_t>(parameters_.people));
    for (int person = 0; person < parameters_.people; ++person)
      statements.push_back(StatementOf(person, parameters_.depth));
    return statements;
  }

 private:
  Statement StatementOf(int speaker, int depth) {
    const size_t die = random_.Below(6);
    if (depth == 1 || die == 0) return SimpleStatement(speaker);
    constexpr std::array<Kind, 6> kinds = {Kind::kTruthful, Kind::kNot,     Kind::kAnd,
                                           Kind::kOr,       Kind::kImplies, Kind::kIff};
    Statement statement{.kind = kinds[die], .person = 0, .parts = {}};
    size_t parts = die == 1 ? 1 : 2;
    if (die == 2 || die == 3)
      parts += random_.Below(static_cast<size_t>(std::max(1, parameters_.width - 1)));
    while (statement.parts.size() < parts) {
      Statement part = StatementOf(speaker, depth - 1);
      // Few people can make fewer different statements than are wanted.
      for (int i = 0; i < 100 && Contains(statement.parts, part); ++i)
        part = StatementOf(speaker, depth - 1);
      statement.parts.push_back(std::move(part));
    }
    return statement;
  }

  static bool Contains(const std::vector<Statement>& statements, const Statement& statement) {
    return std::find(statements.begin(), statements.end(), statement) != statements.end();
  }

  // Nobody can say "I am lying".
  Statement SimpleStatement(int speaker) {
    while (true) {
      const bool lying = random_.Below(2) == 1;
      const int person = static_cast<int>(random_.Below(static_cast<size_t>(parameters_.people)));
      if (lying && person == speaker) continue;
      return {.kind = lying ? Kind::kLying : Kind::kTruthful, .person = person, .parts = {}};
    }
  }

  const KnightsKnavesParameters parameters_;
  RowRandom& random_;
};

// Bit i of `truthful`: whether person i tells the truth.
bool IsTrue(const Statement& statement, uint32_t truthful) {
  const std::vector<Statement>& parts = statement.parts;
  const auto holds = [truthful](const Statement& part) { return IsTrue(part, truthful); };
  switch (statement.kind) {
    case Kind::kTruthful:
      return ((truthful >> statement.person) & 1U) == 1;
    case Kind::kLying:
      return ((truthful >> statement.person) & 1U) == 0;
    case Kind::kNot:
      return !holds(parts[0]);
    case Kind::kAnd:
      return std::all_of(parts.begin(), parts.end(), holds);
    case Kind::kOr:
      return std::any_of(parts.begin(), parts.end(), holds);
    case Kind::kImplies:
      return !holds(parts[0]) || holds(parts[1]);
    case Kind::kIff:
      return holds(parts[0]) == holds(parts[1]);
  }
  return false;
}

// All assignments that fit; two are enough to know that there are several.
std::vector<uint32_t> Solutions(const std::vector<Statement>& statements) {
  std::vector<uint32_t> solutions;
  for (uint32_t truthful = 0; truthful < (1U << statements.size()); ++truthful) {
    bool fits = true;
    for (size_t i = 0; fits && i < statements.size(); ++i)
      fits = IsTrue(statements[i], truthful) == (((truthful >> i) & 1U) == 1);
    if (fits) solutions.push_back(truthful);
    if (solutions.size() == 2) break;
  }
  return solutions;
}

ordered_json ToJson(const Statement& statement) {
  ordered_json json = ordered_json::array({kKindNames[static_cast<int>(statement.kind)]});
  if (statement.simple()) json.push_back(statement.person);
  for (const Statement& part : statement.parts) json.push_back(ToJson(part));
  return json;
}

// A puzzle in words.
class Wording {
 public:
  Wording(const std::vector<Statement>& statements, RowRandom* random)
      : statements_(statements), roles_(kRolePairs[random->Below(std::size(kRolePairs))]) {
    std::vector<std::string> names(std::begin(kNames), std::end(kNames));
    for (size_t i = 0; i < statements.size(); ++i) {
      std::swap(names[i], names[i + random->Below(names.size() - i)]);
      names_.push_back(names[i]);
    }
  }

  const std::vector<std::string>& names() const { return names_; }
  const Roles& roles() const { return roles_; }

  std::string Prompt() const {
    const std::string knave = WithoutArticle(roles_.lying);
    std::string text = absl::StrCat(
        "Everybody here is either ", roles_.truthful, ", who only says what is true, or ",
        roles_.lying, ", who only says what is false. You meet ", Listed(names_), ".");
    for (size_t i = 0; i < statements_.size(); ++i)
      absl::StrAppend(&text, " ", names_[i], " says: \"", InWords(statements_[i]), ".\"");
    std::vector<std::string> form;
    for (const std::string& name : names_)
      form.push_back(absl::StrCat(name, " is ", roles_.truthful, "/", knave));
    absl::StrAppend(&text, " Who is ", roles_.truthful, ", and who is ", roles_.lying,
                    "? Answer in this form: ", Listed(form), ".");
    return text;
  }

  std::string Answer(uint32_t truthful) const {
    std::vector<std::string> parts;
    for (size_t i = 0; i < names_.size(); ++i) {
      parts.push_back(absl::StrCat(names_[i], " is ",
                                   ((truthful >> i) & 1U) == 1 ? roles_.truthful : roles_.lying));
    }
    return Listed(parts) + ".";
  }

 private:
  static std::string Listed(const std::vector<std::string>& items) {
    if (items.size() < 2) return absl::StrJoin(items, "");
    return absl::StrCat(absl::StrJoin(items.begin(), items.end() - 1, ", "), " and ", items.back());
  }

  std::string InWords(const Statement& statement) const {
    const auto part = [this, &statement](size_t i) { return Part(statement.parts[i]); };
    switch (statement.kind) {
      case Kind::kTruthful:
        return absl::StrCat(names_[statement.person], " is ", roles_.truthful);
      case Kind::kLying:
        return absl::StrCat(names_[statement.person], " is ", roles_.lying);
      case Kind::kNot:
        return absl::StrCat("it isn't so that ", part(0));
      case Kind::kImplies:
        return absl::StrCat("if ", part(0), " then ", part(1));
      case Kind::kIff:
        return absl::StrCat(part(0), " exactly if ", part(1));
      default:
        break;
    }
    std::vector<std::string> parts;
    for (const Statement& one : statement.parts) parts.push_back(Part(one));
    return absl::StrJoin(parts, statement.kind == Kind::kAnd ? " and " : " or ");
  }

  std::string Part(const Statement& statement) const {
    return statement.simple() ? InWords(statement) : absl::StrCat("(", InWords(statement), ")");
  }

  const std::vector<Statement>& statements_;
  const Roles roles_;
  std::vector<std::string> names_;
};

ordered_json Row(const std::vector<Statement>& statements, uint32_t solution, RowRandom* random) {
  const Wording wording(statements, random);
  ordered_json written = ordered_json::array();
  ordered_json truthful = ordered_json::array();
  for (size_t i = 0; i < statements.size(); ++i) {
    written.push_back(ToJson(statements[i]));
    truthful.push_back(((solution >> i) & 1U) == 1);
  }
  return {{"prompt", wording.Prompt()},
          {"answer", wording.Answer(solution)},
          {"task", "knights_knaves"},
          {"names", wording.names()},
          {"roles", {wording.roles().truthful, wording.roles().lying}},
          {"statements", written},
          {"solution", truthful}};
}

}  // namespace

absl::StatusOr<ordered_json> GenerateKnightsKnaves(const KnightsKnavesParameters& parameters,
                                                   uint64_t seed, uint64_t row) {
  if (parameters.people < 1 || parameters.people > kMostPeople)
    return absl::InvalidArgumentError(absl::StrCat("people: has to be from 1 to ", kMostPeople));
  if (parameters.depth < 1 || parameters.depth > 8)
    return absl::InvalidArgumentError("depth: has to be from 1 to 8");
  if (parameters.width < 2 || parameters.width > 8)
    return absl::InvalidArgumentError("width: has to be from 2 to 8");
  RowRandom random(seed, row);
  Sampler sampler(parameters, &random);
  for (int i = 0; i < kTries; ++i) {
    const std::vector<Statement> statements = sampler.Sample();
    const std::vector<uint32_t> solutions = Solutions(statements);
    if (solutions.size() == 1) return Row(statements, solutions[0], &random);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("row ", row, ": none of ", kTries,
                   " puzzles had exactly one solution; ask for another depth or more people"));
}

}  // namespace tpo
