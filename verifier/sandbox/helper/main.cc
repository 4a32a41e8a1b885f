// tpo-sandbox: runs one untrusted program for the code verifier. ../helper_protocol.h has its
// interface, ../../../docs/code_verifier.md what it guarantees.
#include "verifier/sandbox/helper/options.h"
#include "verifier/sandbox/helper/program_process.h"
#include "verifier/sandbox/helper/supervisor.h"

int main(int argc, char** argv) {
  tpo::HelperOptions options;
  if (!tpo::ParseHelperOptions(argc, argv, &options)) return 2;
  if (options.inner) tpo::RunInner(options);
  return tpo::Supervise(options);
}
