// Prints everything that any program exposes as a scrape gets it; for tests/monitoring.
#include <cstdio>

#include "tests/services/metrics/all_programs.h"

int main() {
  std::fputs(tpo::AllPrograms().Text().c_str(), stdout);
  return 0;
}
