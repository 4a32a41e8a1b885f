// Rules between fields of a config.
#ifndef TPO_SERVICES_CONFIG_CONFIG_CHECKS_H_
#define TPO_SERVICES_CONFIG_CONFIG_CHECKS_H_

#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// tpo_token, grpo_token: group_size is the number of candidates at each position.
bool IsTokenLevel(v1::Objective objective);

// Compares completions within a group.
bool IsGrouped(v1::Objective objective);

// Adds an error for each rule that `config`, which has all its defaults, breaks.
void CheckConfig(const v1::Config& config, const ConfigPlaces& places, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_CONFIG_CHECKS_H_
