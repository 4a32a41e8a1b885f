// Rules between the fields of `verifiers` and `verification`.
#ifndef TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_
#define TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_

#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Adds an error for each rule that the sections break; `config` has all its defaults.
void CheckVerifiers(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_
