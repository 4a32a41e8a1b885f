// Whether an address can be listened on, and why not: servers of libraries only say that they
// failed, or log it in their own way.
#ifndef TPO_SERVICES_GRPC_LISTEN_CHECK_H_
#define TPO_SERVICES_GRPC_LISTEN_CHECK_H_

#include <string>

#include "absl/status/status.h"

namespace tpo {

// FAILED_PRECONDITION, e.g. "can't listen on 127.0.0.1:5000: Address already in use". Tries, and
// lets go again; so another process may still be quicker afterwards. REQUIRES: `address` is
// HOST:PORT.
absl::Status CheckCanListen(const std::string& address);

// The same for a server that didn't start though it could.
absl::Status ListenError(const std::string& address, const std::string& fault);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_LISTEN_CHECK_H_
