// A file of prompts. The first byte chooses the names of its fields.
#include <cstdint>

#include "policy/dataset/jsonl_dataset.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tpo::FuzzInput input(data, size);
  tpo::JsonlOptions options;
  options.max_line_bytes = 4096;
  if (input.Byte() % 2 == 1) {
    options.prompt_field = "question";
    options.answer_field = "solution";
  }
  const tpo::MemoryFile file(input.Rest());
  const auto dataset = tpo::JsonlDataset::Open(file.path(), options);
  if (!dataset.ok()) return 0;
  tpo::Require((*dataset)->size() > 0, "a dataset has rows");
  uint64_t line = 0;
  for (uint64_t i = 0; i < (*dataset)->size(); ++i) {
    const auto row = (*dataset)->Row(i);
    tpo::Require(row.ok(), "what was opened can be read");
    tpo::Require(row->line > line, "lines ascend");
    tpo::Require(row->prompt.empty() != row->messages.empty(), "a row has a prompt or messages");
    line = row->line;
  }
  return 0;
}
