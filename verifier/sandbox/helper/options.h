// The command line of tpo-sandbox (helper_protocol.h), parsed.
//
// The helper is small on purpose: it runs with the service's rights, as one thread, and reads
// nothing that the untrusted program wrote.
#ifndef TPO_VERIFIER_SANDBOX_HELPER_OPTIONS_H_
#define TPO_VERIFIER_SANDBOX_HELPER_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tpo {

struct HelperOptions {
  uint32_t layers = 0;  // SandboxLayer bits: each is put in force, or the execution fails
  uid_t uid = 0;        // of the host; used when the helper runs as root
  gid_t gid = 0;
  int64_t wall_ms = 0;
  uint64_t cpu_seconds = 0;
  uint64_t memory_bytes = 0;  // address space of each process
  uint64_t file_bytes = 0;    // of each file
  uint64_t disk_bytes = 0;    // of all files together; needs the mount namespace
  uint64_t tasks = 0;         // threads and processes at a time; 0: no limit is set
  uint64_t open_files = 0;
  std::string work_root;    // where work directories are made without a mount namespace
  std::string source_name;  // name of the source in the work directory; empty: none
  bool channel = false;     // whether the program gets kChannelDescriptor
  std::string bubblewrap;   // path of bwrap; with kLayerBubblewrap
  // Only for the helper that bubblewrap starts: it restricts itself and becomes the program.
  bool inner = false;
  std::vector<std::string> readable_paths;
  std::vector<std::string> environment;  // NAME=VALUE
  std::vector<std::string> program;      // absolute path and arguments

  bool Has(uint32_t layer) const { return (layers & layer) != 0; }
};

// Whether the command line was understood; says on stderr why not.
bool ParseHelperOptions(int argc, char** argv, HelperOptions* options);

}  // namespace tpo

#endif  // TPO_VERIFIER_SANDBOX_HELPER_OPTIONS_H_
