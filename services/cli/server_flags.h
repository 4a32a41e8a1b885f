// What the flags of all programs that serve gRPC have in common.
#ifndef TPO_SERVICES_CLI_SERVER_FLAGS_H_
#define TPO_SERVICES_CLI_SERVER_FLAGS_H_

namespace tpo {

// --max_connection_age, unless it is given.
inline constexpr int kMaxConnectionAgeSeconds = 300;

}  // namespace tpo

#endif  // TPO_SERVICES_CLI_SERVER_FLAGS_H_
