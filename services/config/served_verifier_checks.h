// Rules between the fields of one verifier: an entry of verifier_service.verifiers, or
// task.dataset.verifier.
#ifndef TPO_SERVICES_CONFIG_SERVED_VERIFIER_CHECKS_H_
#define TPO_SERVICES_CONFIG_SERVED_VERIFIER_CHECKS_H_

#include <string>

#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Adds an error for each rule that `verifier`, which stands at `path` and has all its defaults,
// breaks. What takes more to find out, such as whether a pattern is one, is checked where verifiers
// are made (services/verifier_server/verifier_factory.h).
void CheckServedVerifier(const v1::ServedVerifierConfig& verifier, const std::string& path,
                         const ConfigPlaces& places, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_SERVED_VERIFIER_CHECKS_H_
