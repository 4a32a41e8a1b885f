// Where a method's expected update helps (Figure 4b of the paper; its Appendix C): on images that
// are classified wrongly, how much the update raises the probability of the right class, compared
// to an update that only knows right from wrong, by how far one wrong class dominates.
//
// For logits z, policy π, label y, p = π_y, v = e_y - π and g the expected update of the logits
// over the sampled action:
//   gain           p · v·g, the first-order change of p
//   one-vs-rest    p · beta · v·v, with the beta for which g = beta · v if all wrong classes had
//   the
//                  same probability (1 - p) / 9
//   surplus        gain - one-vs-rest gain
//   concentration  max_{j≠y} π_j / (1 - p)
// PG and Group PG have g = p·v and 6p·v: no surplus. GRPO's update depends on the batch: left out.
// Thread-safe: pure functions.
#ifndef TPO_BENCH_PAPER_BANDITS_WRONG_CLASS_H_
#define TPO_BENCH_PAPER_BANDITS_WRONG_CLASS_H_

#include <array>
#include <vector>

#include "absl/types/span.h"
#include "bench/paper/bandits/method.h"

namespace tpo {

// Borders between the bins of concentration, from 0 to 1.
inline constexpr std::array<double, 3> kConcentrationBorders = {0.25, 0.5, 0.75};
inline constexpr int kConcentrationBins = 4;

struct WrongClassGain {
  double gain = 0.0;
  double one_versus_rest = 0.0;
};

bool HasWrongClassGain(BanditMethod method);

// The expected update of the logits. REQUIRES: HasWrongClassGain(method).
std::vector<double> ExpectedUpdate(BanditMethod method, absl::Span<const double> policy, int label);

// REQUIRES: HasWrongClassGain(method).
WrongClassGain GainOf(BanditMethod method, absl::Span<const double> policy, int label);

// 0 to kConcentrationBins - 1.
int ConcentrationBin(absl::Span<const double> policy, int label);

// Means over the images of a bin.
struct ConcentrationBinMeans {
  int images = 0;
  double gain = 0.0;
  double one_versus_rest = 0.0;
};
using ConcentrationMeans = std::array<ConcentrationBinMeans, kConcentrationBins>;

// Adds one misclassified image's gain to the sums; Finish turns sums into means.
void AddToSums(const WrongClassGain& gain, int bin, ConcentrationMeans& sums);
void FinishMeans(ConcentrationMeans& sums);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_WRONG_CLASS_H_
