// Fills the defaults of the schema in.
#ifndef TPO_SERVICES_CONFIG_CONFIG_DEFAULTS_H_
#define TPO_SERVICES_CONFIG_CONFIG_DEFAULTS_H_

#include <string>

#include "google/protobuf/message.h"
#include "services/config/config_errors.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

// Gives every field of `section`, which stands at `path`, its default where that depends on no
// other section. Adds an error for each required field or choice that is missing.
void FillSectionDefaults(const std::string& path, const ConfigPlaces& places,
                         google::protobuf::Message* section, ConfigErrors* errors);

// Gives every field that has none its default: sections and chosen oneof members first, then
// constants, then what depends on other fields. Adds an error for each required field or choice
// that is missing.
void FillDefaults(const ConfigPlaces& places, v1::Config* config, ConfigErrors* errors);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_CONFIG_DEFAULTS_H_
