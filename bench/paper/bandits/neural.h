// The neural contextual bandit (paper.md §4): a small network names the class of an image, learns
// only whether that was right, and is tested by its most probable class.
//
// Random numbers are pure functions of the seed, and all methods of a seed start from the same
// weights and see the same images. Thread-safe: pure functions.
#ifndef TPO_BENCH_PAPER_BANDITS_NEURAL_H_
#define TPO_BENCH_PAPER_BANDITS_NEURAL_H_

#include <cstdint>
#include <vector>

#include "bench/paper/bandits/idx.h"
#include "bench/paper/bandits/method.h"
#include "bench/paper/bandits/wrong_class.h"

namespace tpo {

struct NeuralSettings {
  std::vector<int> hidden = {50, 50};
  int batch = 100;  // images drawn for a step, with replacement
  int steps = 10000;
  int test_every = 200;  // divides `steps`
  double learning_rate = 1e-3;
};

// What the tests found, after test_every, 2 · test_every, … steps.
struct NeuralCurves {
  std::vector<double> error;
  // Of the test images that were classified wrongly; empty without HasWrongClassGain(method).
  std::vector<ConcentrationMeans> concentration;
};

// REQUIRES: a method of the neural study; a dataset as LoadImageDataset gives it.
NeuralCurves RunNeuralBandit(BanditMethod method, const NeuralSettings& settings,
                             const ImageDataset& dataset, uint64_t seed);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_NEURAL_H_
