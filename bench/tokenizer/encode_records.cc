// Encodes and decodes many texts with a tokenizer.json; agreement.py compares what comes out with
// the PyPI package `tokenizers`.
//
//   encode_records TOKENIZER_JSON INPUT OUTPUT [REPEAT]
//
// INPUT is records of a uint32 length and that many bytes. OUTPUT is for each: a uint32 count, the
// tokens as int32, and two records of text: all tokens decoded, and the special ones left out.
// Prints one JSON object with the seconds of encoding and decoding all texts once, on one thread:
// the best of REPEAT rounds, after one round that isn't counted.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "policy/tokenizer/tokenizer.h"

namespace tpo {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string_view> Records(std::string_view file) {
  std::vector<std::string_view> records;
  while (file.size() >= sizeof(uint32_t)) {
    uint32_t size = 0;
    std::memcpy(&size, file.data(), sizeof(size));
    file.remove_prefix(sizeof(size));
    records.push_back(file.substr(0, size));
    file.remove_prefix(std::min<size_t>(size, file.size()));
  }
  return records;
}

void AppendNumber(uint32_t value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendRecord(std::string_view text, std::string* out) {
  AppendNumber(static_cast<uint32_t>(text.size()), out);
  out->append(text);
}

// What the stream decoder returns for all of it; it has to be what Decode returns.
std::string DecodeByToken(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens,
                          DecodeOptions options) {
  StreamDecoder decoder(&tokenizer, options);
  std::string text;
  for (const TokenId token : tokens) text += decoder.Append(token);
  return text + decoder.Finish();
}

int Run(const std::string& tokenizer_path, const std::string& input, const std::string& output,
        int repeat) {
  auto tokenizer = Tokenizer::Load(FileSystem::Posix(), tokenizer_path);
  auto file = FileSystem::Posix()->ReadFile(input);
  if (!tokenizer.ok() || !file.ok()) {
    std::cerr << tokenizer.status() << "\n" << file.status() << "\n";
    return 2;
  }
  const std::vector<std::string_view> texts = Records(*file);
  std::vector<std::vector<TokenId>> encoded(texts.size());
  double encode_seconds = 1e30, decode_seconds = 1e30;
  for (int round = 0; round <= repeat; ++round) {
    const auto begin = Clock::now();
    for (size_t i = 0; i < texts.size(); ++i) encoded[i] = (*tokenizer)->Encode(texts[i]);
    const auto middle = Clock::now();
    size_t characters = 0;
    for (const auto& tokens : encoded) characters += (*tokenizer)->Decode(tokens).size();
    const auto end = Clock::now();
    if (characters == 1) std::cerr << "";  // so that decoding isn't optimized away
    if (round == 0 && repeat > 0) continue;
    encode_seconds =
        std::min(encode_seconds, std::chrono::duration<double>(middle - begin).count());
    decode_seconds = std::min(decode_seconds, std::chrono::duration<double>(end - middle).count());
  }
  std::string result;
  size_t token_count = 0, stream_differences = 0;
  for (const auto& tokens : encoded) {
    token_count += tokens.size();
    AppendNumber(static_cast<uint32_t>(tokens.size()), &result);
    for (const TokenId token : tokens) AppendNumber(static_cast<uint32_t>(token), &result);
    for (const bool skip : {false, true}) {
      const DecodeOptions options = {.skip_special_tokens = skip};
      const std::string text = (*tokenizer)->Decode(tokens, options);
      stream_differences += DecodeByToken(**tokenizer, tokens, options) != text;
      AppendRecord(text, &result);
    }
  }
  std::ofstream(output, std::ios::binary) << result;
  std::cout << "{\"texts\": " << texts.size() << ", \"bytes\": " << file->size() - 4 * texts.size()
            << ", \"tokens\": " << token_count << ", \"encode_seconds\": " << encode_seconds
            << ", \"decode_seconds\": " << decode_seconds
            << ", \"stream_differences\": " << stream_differences << "}\n";
  return 0;
}

}  // namespace
}  // namespace tpo

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::cerr << "usage: encode_records TOKENIZER_JSON INPUT OUTPUT [REPEAT]\n";
    return 2;
  }
  return tpo::Run(argv[1], argv[2], argv[3], argc == 5 ? std::atoi(argv[4]) : 0);
}
