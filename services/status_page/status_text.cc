#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/status_page/status_view.h"
#include "services/status_page/text_forms.h"

namespace tpo {
namespace {

constexpr int kNameColumns = 20;
constexpr int kBackendColumns = 24;
constexpr int kBarColumns = 24;
constexpr size_t kGroupsShown = 2;
constexpr size_t kCompletionsShown = 8;

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Text of others, for a terminal: without control characters, and not longer than `columns`
// characters.
std::string Plain(const std::string& text, int columns) {
  std::string plain;
  int characters = 0;
  for (const char c : text) {
    if (!ContinuesCharacter(c) && ++characters > columns) return plain + "…";
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    plain += control ? ' ' : c;
  }
  // The controls of ISO 6429 that UTF-8 writes with two bytes, C2 80 to C2 9F.
  for (size_t i = 0; i + 1 < plain.size(); ++i) {
    if (plain[i] == '\xC2' && static_cast<unsigned char>(plain[i + 1]) < 0xA0)
      plain.replace(i, 2, "  ");
  }
  return plain;
}

int Columns(const std::string& text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return !ContinuesCharacter(c); }));
}

std::string Padded(const std::string& text, int columns) {
  return text + std::string(static_cast<size_t>(std::max(columns - Columns(text), 0)), ' ');
}

// Eight heights per character; NaN leaves a gap.
std::string Sparkline(const std::vector<double>& values, int columns) {
  static constexpr std::array<const char*, 8> kBlocks = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  double low = 0.0;
  double high = 0.0;
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  }
  if (!any) return "";
  const size_t shown = std::min(values.size(), static_cast<size_t>(std::max(columns, 1)));
  std::string line;
  for (size_t i = 0; i < shown; ++i) {
    // The last value of each stretch, so that the newest is always shown.
    const double value = values[(i + 1) * values.size() / shown - 1];
    if (!std::isfinite(value)) {
      line += ' ';
      continue;
    }
    // Halves, since a difference of any two numbers may be infinite.
    const double range = high / 2 - low / 2;
    const double part = range > 0.0 ? (value / 2 - low / 2) / range : 0.5;
    line += kBlocks[static_cast<size_t>(std::lround(part * 7.0))];
  }
  return line;
}

std::string Curve(const char* name, const std::vector<StepFigures>& steps, int width,
                  double (*value)(const StepFigures&)) {
  std::vector<double> values;
  values.reserve(steps.size());
  for (const StepFigures& step : steps) values.push_back(value(step));
  const std::string line = Sparkline(values, width - kNameColumns - 14);
  if (line.empty()) return "";
  return absl::StrFormat("  %s%10.4g  %s\n", Padded(name, kNameColumns), values.back(), line);
}

std::string Curves(const std::vector<StepFigures>& steps, int width) {
  if (steps.size() < 2) return "";
  return absl::StrCat(
      "\nsteps ", steps.front().step, " to ", steps.back().step, "\n",
      Curve("error", steps, width, [](const StepFigures& s) { return s.error.value_or(NAN); }),
      Curve("reward", steps, width, [](const StepFigures& s) { return s.reward_mean; }),
      Curve("loss", steps, width, [](const StepFigures& s) { return s.loss; }),
      Curve("target entropy", steps, width,
            [](const StepFigures& s) { return s.target_entropy.value_or(NAN); }),
      Curve("anchor entropy", steps, width,
            [](const StepFigures& s) { return s.anchor_entropy.value_or(NAN); }),
      Curve("step seconds", steps, width, [](const StepFigures& s) { return s.step_seconds; }));
}

std::string Workers(const RunStatus& status) {
  if (status.workers_seen.empty()) return "\nno worker has called\n";
  std::string text = "\nworkers                   last call    taken in   refused   version\n";
  for (const WorkerStatus& worker : status.workers_seen) {
    absl::StrAppendFormat(&text, "  %s%11s%12d%10d%10d%s\n",
                          Padded(Plain(worker.name, kNameColumns), kNameColumns + 2),
                          AgeText(worker.idle), worker.groups_accepted, worker.groups_refused,
                          worker.weight_version, worker.idle < absl::Minutes(1) ? "" : "  silent");
  }
  return text;
}

std::string Relays(const RoleDetails& roles) {
  if (roles.relays.empty()) return "";
  std::string text = "\nrelays                      version  weight stream\n";
  for (const RelayStatus& relay : roles.relays) {
    absl::StrAppendFormat(&text, "  %s%11d  %s\n",
                          Padded(Plain(RelayName(relay), kNameColumns), kNameColumns + 2),
                          relay.weight_version, RelayText(relay));
  }
  return text;
}

std::string Verifiers(const RoleDetails& roles) {
  if (roles.verifiers.empty()) return "";
  std::string text =
      "\nverifiers               backend                   answered    failed  state\n";
  for (const VerifierStatus& verifier : roles.verifiers) {
    absl::StrAppendFormat(&text, "  %s%s%10d%10d  %s\n",
                          Padded(Plain(verifier.verifier, kNameColumns), kNameColumns + 2),
                          Padded(Plain(verifier.backend, kBackendColumns), kBackendColumns),
                          verifier.answered, verifier.failed, HealthText(verifier.health));
  }
  return text;
}

std::string Bar(double probability) {
  // A probability that is no number is none.
  const double part = probability > 0.0 ? std::min(probability, 1.0) : 0.0;
  const int filled = static_cast<int>(std::lround(part * kBarColumns));
  std::string bar;
  for (int i = 0; i < filled; ++i) bar += "█";
  return Padded(bar, kBarColumns);
}

// Nothing where there is none.
std::string Probability(const char* name, const std::optional<double>& probability, bool bar) {
  if (!probability.has_value()) return "";
  return absl::StrFormat("%s %.3f%s%s  ", name, *probability, bar ? " " : "",
                         bar ? Bar(*probability) : "");
}

std::string Group(const GroupFigures& group, int width) {
  std::string text =
      absl::StrCat("  prompt ", group.prompt_id, "  ", Plain(group.prompt, width - 24), "\n");
  const size_t shown = std::min(group.completions.size(), kCompletionsShown);
  for (size_t k = 0; k < shown; ++k) {
    const CompletionFigures& completion = group.completions[k];
    const std::string score = completion.verdict == VerdictKind::kScored
                                  ? absl::StrFormat("%.4g", completion.score)
                                  : VerdictText(completion.verdict);
    absl::StrAppendFormat(&text, "  %9s  %s%s%s  %s\n", score,
                          Probability("p_old", completion.anchor_probability, /*bar=*/false),
                          Probability("q", completion.target_probability, /*bar=*/true),
                          Probability("p", completion.policy_probability, /*bar=*/true),
                          Plain(completion.text, std::max(width - 100, 16)));
  }
  if (shown < group.completions.size())
    absl::StrAppend(&text, "             ", group.completions.size() - shown, " more\n");
  return text;
}

std::string Groups(const std::vector<GroupFigures>& groups, int width) {
  if (groups.empty()) return "";
  std::string text = absl::StrCat("\ngroups of step ", groups.front().step,
                                  ": when sampled p_old, target q, policy p\n");
  for (size_t i = 0; i < std::min(groups.size(), kGroupsShown); ++i)
    text += Group(groups[i], width);
  return text;
}

std::string Line(const char* name, const std::string& value) {
  return absl::StrFormat("%-20s %s\n", name, value);
}

std::string Headline(const StatusView& view, int width) {
  const RunStatus& status = view.status;
  std::string text =
      absl::StrCat(Line("run_id", Plain(status.run_id, width)), Line("state", StateOf(view)),
                   Line("step", absl::StrCat(status.step)),
                   Line("total_steps", absl::StrCat(status.total_steps)),
                   Line("weight_version", absl::StrCat(status.weight_version)),
                   Line("reward_mean", absl::StrCat(status.reward_mean)));
  if (const std::optional<double> error = NewestError(view.details))
    text += Line("error", absl::StrCat(*error));
  if (const double rate = TokensPerSecond(view.details.steps); rate > 0)
    text += Line("tokens_per_second", absl::StrFormat("%.4g", rate));
  absl::StrAppend(&text, Line("workers", absl::StrCat(status.workers)),
                  Line("draining", status.draining ? "true" : "false"),
                  Line("version", Plain(status.version, width)),
                  Line("groups_leased", absl::StrCat(status.groups_leased)),
                  Line("groups_ready", absl::StrCat(status.groups_ready)),
                  Line("groups_leasable", absl::StrCat(status.groups_leasable)),
                  Line("oldest_lease", AgeText(status.oldest_lease_age)),
                  Line("last_checkpoint", CheckpointText(view.details)));
  return text;
}

std::string LedgerLines(const Ledger& ledger) {
  std::string text = "groups\n";
  const auto add = [&text](const char* name, uint64_t value) {
    absl::StrAppendFormat(&text, "  %-18s %d\n", name, value);
  };
  add("leased", ledger.leased);
  add("trained", ledger.trained);
  add("dropped_stale", ledger.dropped_stale);
  add("dropped_unverified", ledger.dropped_unverified);
  add("expired", ledger.expired);
  add("in_flight", ledger.in_flight);
  return text;
}

}  // namespace

std::string StatusText(const StatusView& view, int width) {
  return absl::StrCat(Headline(view, width), LedgerLines(view.status.ledger),
                      Curves(view.details.steps, width), Workers(view.status),
                      Relays(view.details.roles), Verifiers(view.details.roles),
                      Groups(view.details.groups, width));
}

}  // namespace tpo
