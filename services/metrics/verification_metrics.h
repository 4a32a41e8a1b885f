// How a worker's external verifiers are asked, as metrics, read at each scrape. Labels: `verifier`
// and `backend` are names and addresses of the run's config, `code` a status code, `kind` of a
// verdict.
//
// tpo_verification_attempts_total{verifier,backend,code}: attempts that ended; code GIVEN_UP: those
// cancelled because another attempt for the group had been answered, or the worker ended.
// tpo_verification_seconds{verifier,backend}: of answered attempts, as a histogram.
// tpo_verification_retries_total, tpo_verification_hedges_total,
// tpo_verification_hedges_won_total{verifier,backend}: attempts begun after a failure, beside a
// slow one, and those of the latter that were answered first.
// tpo_verification_hedges_refused_total{verifier}: second attempts that the budget didn't allow.
// tpo_verification_breaker_state{verifier,backend}: 0 closed, 1 half-open, 2 open;
// tpo_verification_breaker_opened_total.
// tpo_verification_outstanding{verifier,backend}: attempts in progress.
// tpo_verification_waiting_groups{verifier}: groups that no backend can take now.
// tpo_verification_hedge_after_seconds{verifier}: how long an attempt takes to count as slow; 0:
// not known yet. tpo_verification_verdicts_total{verifier,kind}: completions judged.
#ifndef TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_
#define TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_

#include <memory>

#include "services/metrics/metrics_registry.h"
#include "verifier/routing/pool_statistics.h"

namespace prometheus {
class Collectable;
}  // namespace prometheus

namespace tpo {

// For MetricsRegistry::Add. `monitor` outlives it.
std::shared_ptr<prometheus::Collectable> MakeVerificationMetrics(const PoolMonitor* monitor);

}  // namespace tpo

#endif  // TPO_SERVICES_METRICS_VERIFICATION_METRICS_H_
