// For messages that refuse a name.
#ifndef TPO_SERVICES_CONFIG_DID_YOU_MEAN_H_
#define TPO_SERVICES_CONFIG_DID_YOU_MEAN_H_

#include <string>
#include <vector>

namespace tpo {

// "; did you mean x?" when one of `names` is close enough to `name` to be a slip of the hand, else
// empty.
std::string DidYouMean(const std::string& name, const std::vector<std::string>& names);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_DID_YOU_MEAN_H_
