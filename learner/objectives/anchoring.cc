#include "learner/objectives/anchoring.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace tpo {
namespace {

// log of the largest ratio that counts.
double LogCap(const AnchorSpec& spec) {
  const bool capped = spec.anchor == Anchor::kRatio && spec.ratio_cap > 0.0;
  return capped ? std::log(spec.ratio_cap) : std::numeric_limits<double>::infinity();
}

}  // namespace

void ApplyAnchor(const AnchorSpec& spec, GroupMembers& group) {
  switch (spec.anchor) {
    case Anchor::kBehavior:
      return;
    case Anchor::kProximal:
      group.anchor_log_probs = group.proximal_log_probs;
      return;
    case Anchor::kRatio:
      break;
  }
  const double log_cap = LogCap(spec);
  for (size_t i = 0; i < group.size(); ++i) {
    const double proximal = group.proximal_log_probs[i];
    const double base = std::min(proximal - group.anchor_log_probs[i], log_cap);
    group.anchor_log_probs[i] = base;
    group.log_probs[i] = base + (group.log_probs[i] - proximal);
  }
}

double EffectiveSampleFraction(const AnchorSpec& spec, const GroupMembers& group) {
  assert(group.size() > 0);
  const double log_cap = LogCap(spec);
  const auto log_ratio = [&](size_t i) {
    return std::min(group.proximal_log_probs[i] - group.anchor_log_probs[i], log_cap);
  };
  // The largest weight becomes 1: ratios of whole sequences overflow otherwise.
  double largest = log_ratio(0);
  for (size_t i = 1; i < group.size(); ++i) largest = std::max(largest, log_ratio(i));
  double sum = 0.0;
  double squares = 0.0;
  for (size_t i = 0; i < group.size(); ++i) {
    const double ratio = std::exp(log_ratio(i) - largest);
    sum += ratio;
    squares += ratio * ratio;
  }
  return sum * sum / (squares * static_cast<double>(group.size()));
}

double GateWeight(const AnchorSpec& spec, double effective_sample_fraction) {
  if (effective_sample_fraction >= spec.gate_fraction) return 1.0;
  switch (spec.gate) {
    case EffectiveSampleGate::kNone:
      return 1.0;
    case EffectiveSampleGate::kDrop:
      return 0.0;
    case EffectiveSampleGate::kAttenuate:
      break;
  }
  return effective_sample_fraction / spec.gate_fraction;
}

}  // namespace tpo
