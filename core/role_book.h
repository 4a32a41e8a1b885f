// What a learner hears of the roles beside its workers, for people: relays by their weight streams,
// verifiers by what workers say of them. `tpo status` and the learner's status page show it.
//
// Bounded: of kMostRelays relays and kMostWorkers workers at most something is kept, and whoever
// hasn't been heard of for kMemory is forgotten. Thread-safe.
#ifndef TPO_CORE_ROLE_BOOK_H_
#define TPO_CORE_ROLE_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/types.h"

namespace tpo {

// A relay that gets its weights from the learner itself.
struct RelayStatus {
  std::string name;  // as it calls itself; empty for one of an older version
  bool connected = false;
  absl::Duration since;               // connected, or gone, for so long
  WeightVersion weight_version = -1;  // newest that it was sent whole; -1 before the first

  friend bool operator==(const RelayStatus&, const RelayStatus&) = default;
};

// How a replica of a verifier is to those who ask it. The worse, the greater.
enum class VerifierHealth {
  kUnspecified = 0,
  kHealthy = 1,
  kOnProbation = 2,  // after failures, tried again
  kLeftAlone = 3,    // after failures, not asked for a while
};

// A replica of a verifier.
struct VerifierStatus {
  std::string verifier;
  std::string backend = {};
  VerifierHealth health = VerifierHealth::kUnspecified;  // to the worker that finds it worst
  uint64_t answered = 0;                                 // attempts
  uint64_t failed = 0;

  friend bool operator==(const VerifierStatus&, const VerifierStatus&) = default;
};

struct RoleDetails {
  std::vector<RelayStatus> relays;        // by name
  std::vector<VerifierStatus> verifiers;  // by verifier and backend

  friend bool operator==(const RoleDetails&, const RoleDetails&) = default;
};

class RoleBook {
 public:
  static constexpr size_t kMostRelays = 1024;
  static constexpr size_t kMostWorkers = 4096;
  static constexpr size_t kMostVerifiers = 64;  // of a worker's report
  static constexpr size_t kMostShown = 64;      // of each
  static constexpr absl::Duration kMemory = absl::Minutes(10);

  // `clock` outlives the book.
  explicit RoleBook(const Clock* clock) : clock_(clock) {}

  // A relay's stream: begun, has sent a version whole, has ended. A relay that connects anew may
  // have two for a while.
  void OnRelayOpened(const std::string& name);
  void OnRelaySent(const std::string& name, WeightVersion version);
  void OnRelayEnded(const std::string& name);

  // All that a worker says of the verifiers that it asks; what it said before counts no longer.
  void OnVerifiers(const std::string& worker_id, std::vector<VerifierStatus> verifiers);

  RoleDetails Read() const;

 private:
  struct Relay {
    int streams = 0;
    absl::Duration changed;
    WeightVersion version = -1;
  };
  struct Report {
    absl::Duration time;
    std::vector<VerifierStatus> verifiers;
  };

  // Forgets who is long gone.
  void Forget(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Clock* const clock_;
  mutable absl::Mutex mutex_;
  std::map<std::string, Relay> relays_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Report> reports_ ABSL_GUARDED_BY(mutex_);  // by worker
};

// Adds up what several say of the same replicas.
std::vector<VerifierStatus> SumUp(const std::vector<std::vector<VerifierStatus>>& reports);

}  // namespace tpo

#endif  // TPO_CORE_ROLE_BOOK_H_
