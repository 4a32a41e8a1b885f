// Rules between the fields of section `verifier_service`.
#ifndef TPO_SERVICES_CONFIG_VERIFIER_SERVICE_CHECKS_H_
#define TPO_SERVICES_CONFIG_VERIFIER_SERVICE_CHECKS_H_

#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Adds an error for each rule that `section`, which has all its defaults, breaks. Tasks that a
// verifier has by itself are checked where the verifiers are made
// (services/verifier_server/verifier_factory.h).
void CheckVerifierService(const v1::VerifierServiceConfig& section, const ConfigPlaces& places,
                          ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_VERIFIER_SERVICE_CHECKS_H_
