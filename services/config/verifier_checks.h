// Rules between the fields of `verifiers` and `verification`.
#ifndef TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_
#define TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_

#include <string>

#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Why a verifier, or a part of a composite, can't have this weight; empty: it can. `combine_field`
// is the name of the field that says how scores become one.
std::string WeightFault(double weight, v1::VerifierRole role, v1::ScoreCombination combine,
                        const std::string& combine_field);

// Adds an error for each rule that the sections break; `config` has all its defaults.
void CheckVerifiers(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_VERIFIER_CHECKS_H_
