// Starting processes from a program with many threads.
#ifndef TPO_VERIFIER_SANDBOX_SPAWN_H_
#define TPO_VERIFIER_SANDBOX_SPAWN_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "verifier/sandbox/file_descriptor.h"

namespace tpo {

// Starts `command` (its first is a path) in a session of its own, with default signal handling, an
// empty environment unless `keep_environment`, and descriptors[i] as its descriptor i; -1: closed.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command,
                            const std::vector<int>& descriptors, bool keep_environment = false);

// Standard output of a trusted command that is expected to end by itself; for start-up.
// FAILED_PRECONDITION: another exit status than 0, or more than a megabyte of output;
// DEADLINE_EXCEEDED: it was still there, or something held its output open. Then it has been
// killed, with what it started.
absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command, absl::Time deadline);

// A file in memory with that content, to be read from its beginning.
absl::StatusOr<FileDescriptor> MemoryFile(std::string_view content);

// The path of a program: `name` itself where it holds a '/', else as found in PATH. NOT_FOUND.
absl::StatusOr<std::string> FindProgram(const std::string& name);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_SPAWN_H_
