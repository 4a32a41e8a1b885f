// Serves a sample status page, of which every text is hostile with --hostile, until its standard
// input ends. For status_page_browser_test.py.
#include <cstdio>
#include <cstring>

#include "services/status_page/status_server.h"
#include "tests/services/status_page/sample_status.h"

int main(int argc, char** argv) {
  const bool hostile = argc > 1 && std::strcmp(argv[1], "--hostile") == 0;
  const auto server = tpo::StatusServer::Start({.listen = "127.0.0.1:0"},
                                               [hostile] { return tpo::SampleStatus(hostile); });
  if (!server.ok()) return 1;
  while (std::getchar() != EOF) {
  }
  return 0;
}
