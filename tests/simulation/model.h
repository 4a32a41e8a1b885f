// A policy without tensors: its weights are one number, from which every completion follows, and
// which training mixes with what it trained on. So the number at the end tells whether any
// completion came from other weights than it says, or was trained on twice or never.
#ifndef TPO_TESTS_SIMULATION_MODEL_H_
#define TPO_TESTS_SIMULATION_MODEL_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "core/lease_book.h"
#include "core/types.h"
#include "core/weight_snapshot.h"
#include "tests/simulation/scenario.h"

namespace tpo::simulation {

uint64_t InitialWeights(const Scenario& scenario);

// The number as a tensor, all of whose elements follow from it.
TensorBundle BundleWeights(uint64_t weights, int floats);
// The number again; nullopt when the bytes are of more than one.
std::optional<uint64_t> UnbundleWeights(const TensorBundle& bundle);

TokenId SampleToken(const Scenario& scenario, uint64_t weights, uint64_t prompt, int completion,
                    int position);
int CompletionTokens(const Scenario& scenario, uint64_t prompt, int completion);
// A completion from one version, or from two when `swap_at` is within it.
Completion SampleCompletion(const Scenario& scenario, uint64_t prompt, int completion,
                            WeightVersion version, uint64_t weights, int swap_at = 0,
                            WeightVersion later_version = 0, uint64_t later_weights = 0);

// What a verifier that works says.
Verdict Judge(const Scenario& scenario, uint64_t prompt, int completion);
// Whether enough of a prompt's completions get a score.
bool IsVerifiable(const Scenario& scenario, uint64_t prompt);

uint64_t TrainOn(uint64_t weights, const std::vector<ReadyGroup>& batch);

// What the weights are after all steps when nothing goes wrong. REQUIRES:
// scenario.determined(false).
uint64_t WeightsOfTheFlawlessRun(const Scenario& scenario);

}  // namespace tpo::simulation

#endif  // TPO_TESTS_SIMULATION_MODEL_H_
