#include "learner/checkpoint_format.h"

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "nlohmann/json.hpp"

namespace tpo {
namespace {

using Json = nlohmann::json;

constexpr int kFormatVersion = 1;

// The library reports wrong fields by exceptions, which end here.
template <typename Result, typename Function>
absl::StatusOr<Result> FromJson(const std::string& text, const Function& read) {
  try {
    const Json json = Json::parse(text);
    const int version = json.at("format_version").get<int>();
    if (version != kFormatVersion) {
      return absl::InvalidArgumentError(absl::StrCat(
          "format_version: ", version, " isn't known; this build reads ", kFormatVersion));
    }
    return read(json);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

Json LedgerToJson(const Ledger& ledger) {
  return {{"leased", ledger.leased},
          {"trained", ledger.trained},
          {"dropped_stale", ledger.dropped_stale},
          {"dropped_unverified", ledger.dropped_unverified},
          {"expired", ledger.expired},
          {"in_flight", ledger.in_flight}};
}

Ledger LedgerFromJson(const Json& json) {
  Ledger ledger;
  json.at("leased").get_to(ledger.leased);
  json.at("trained").get_to(ledger.trained);
  json.at("dropped_stale").get_to(ledger.dropped_stale);
  json.at("dropped_unverified").get_to(ledger.dropped_unverified);
  json.at("expired").get_to(ledger.expired);
  json.at("in_flight").get_to(ledger.in_flight);
  return ledger;
}

Json LeaseBookToJson(const LeaseBook::State& state) {
  return {{"next_lease_id", state.next_lease_id},
          {"cursor", state.cursor},
          {"unfinished_units", state.unfinished_units},
          {"ledger", LedgerToJson(state.ledger)},
          {"weight_version", state.weight_version}};
}

LeaseBook::State LeaseBookFromJson(const Json& json) {
  LeaseBook::State state;
  json.at("next_lease_id").get_to(state.next_lease_id);
  json.at("cursor").get_to(state.cursor);
  json.at("unfinished_units").get_to(state.unfinished_units);
  state.ledger = LedgerFromJson(json.at("ledger"));
  json.at("weight_version").get_to(state.weight_version);
  return state;
}

// Strings are ours, but a name from outside may hold anything.
std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

FileFacts FactsOf(absl::Span<const std::string_view> pieces) {
  FileFacts facts;
  for (const std::string_view piece : pieces) {
    facts.size_bytes += piece.size();
    facts.crc32c = ExtendCrc32c(
        facts.crc32c,
        absl::MakeConstSpan(reinterpret_cast<const std::byte*>(piece.data()), piece.size()));
  }
  return facts;
}

std::string FormatManifest(const CheckpointManifest& manifest) {
  Json files = Json::object();
  for (const auto& [name, facts] : manifest) {
    files[name] = {{"size_bytes", facts.size_bytes}, {"crc32c", facts.crc32c}};
  }
  return Dump({{"format_version", kFormatVersion}, {"files", files}});
}

absl::StatusOr<CheckpointManifest> ParseManifest(const std::string& text) {
  return FromJson<CheckpointManifest>(text, [](const Json& json) {
    CheckpointManifest manifest;
    for (const auto& [name, facts] : json.at("files").items()) {
      facts.at("size_bytes").get_to(manifest[name].size_bytes);
      facts.at("crc32c").get_to(manifest[name].crc32c);
    }
    return manifest;
  });
}

std::string FormatState(const CheckpointData& data) {
  return Dump({{"format_version", kFormatVersion},
               {"step", data.step},
               {"run_id", data.run_id},
               {"seed", data.seed},
               {"tokens_total", data.tokens_total},
               {"groups_total", data.groups_total},
               {"skipped_in_a_row", data.skipped_in_a_row},
               {"config_fingerprint", data.config_fingerprint},
               {"inputs", data.inputs},
               {"lease_book", LeaseBookToJson(data.lease_book)}});
}

absl::StatusOr<CheckpointData> ParseState(const std::string& text) {
  return FromJson<CheckpointData>(text, [](const Json& json) {
    CheckpointData data;
    json.at("step").get_to(data.step);
    json.at("run_id").get_to(data.run_id);
    json.at("seed").get_to(data.seed);
    json.at("tokens_total").get_to(data.tokens_total);
    json.at("groups_total").get_to(data.groups_total);
    if (json.contains("skipped_in_a_row"))
      json.at("skipped_in_a_row").get_to(data.skipped_in_a_row);
    json.at("config_fingerprint").get_to(data.config_fingerprint);
    if (json.contains("inputs")) json.at("inputs").get_to(data.inputs);
    data.lease_book = LeaseBookFromJson(json.at("lease_book"));
    return data;
  });
}

}  // namespace tpo
