#include "verifier/sandbox/code_extraction.h"

#include <algorithm>
#include <cstddef>

namespace tpo {
namespace {

struct Fence {
  size_t backticks = 0;  // 0: the line is no fence
  std::string info;
};

Fence ParseFence(std::string_view line) {
  size_t begin = 0;
  while (begin < 3 && begin < line.size() && line[begin] == ' ') ++begin;
  size_t end = begin;
  while (end < line.size() && line[end] == '`') ++end;
  if (end - begin < 3) return {};
  Fence fence;
  fence.backticks = end - begin;
  std::string_view rest = line.substr(end);
  // Backticks after the fence make it a piece of code within the line.
  if (rest.find('`') != std::string_view::npos) return {};
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r"), rest.size()));
  fence.info = rest.substr(0, rest.find_first_of(" \t\r{"));
  std::transform(fence.info.begin(), fence.info.end(), fence.info.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return fence;
}

}  // namespace

std::string ExtractCode(std::string_view text, CodeExtraction extraction,
                        const std::vector<std::string>& languages) {
  std::string_view code = text;
  Fence open;
  bool wanted = false;
  size_t block_begin = 0;
  size_t next = 0;
  for (size_t begin = 0; extraction == CodeExtraction::kLastFence && begin < text.size();
       begin = next) {
    const size_t newline = text.find('\n', begin);
    next = newline == std::string_view::npos ? text.size() : newline + 1;
    const Fence fence = ParseFence(text.substr(begin, next - begin - (next > newline ? 1 : 0)));
    if (fence.backticks == 0) continue;
    if (open.backticks == 0) {
      open = fence;
      block_begin = next;
      wanted = std::find(languages.begin(), languages.end(), fence.info) != languages.end();
    } else if (fence.backticks >= open.backticks && fence.info.empty()) {
      if (wanted) code = text.substr(block_begin, begin - block_begin);
      open = Fence();
    }
  }
  if (open.backticks != 0 && wanted) code = text.substr(block_begin);
  return std::string(code);
}

}  // namespace tpo
