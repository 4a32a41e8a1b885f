// Around the verifier that a rollout worker runs itself: asks it again while it has too much to do,
// as the clients of tpo-verifier do. Without, groups that the worker's leases bring at the same
// time would cost each other their scores.
#ifndef TPO_SERVICES_ENGINE_PATIENT_VERIFIER_H_
#define TPO_SERVICES_ENGINE_PATIENT_VERIFIER_H_

#include <memory>

#include "core/verifier_api.h"

namespace tpo {

// A request that the verifier answers with RESOURCE_EXHAUSTED is asked again, with pauses, until
// its deadline, unless its caller has gone; then that is the answer. Thread-safe if `verifier` is;
// CANCELLED after Close.
std::unique_ptr<VerifierApi> MakePatientVerifier(std::unique_ptr<VerifierApi> verifier);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_PATIENT_VERIFIER_H_
