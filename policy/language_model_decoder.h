// A TreeDecoder over rows and pages, for every form of a language model. Internal to the policy.
#ifndef TPO_POLICY_LANGUAGE_MODEL_DECODER_H_
#define TPO_POLICY_LANGUAGE_MODEL_DECODER_H_

#include <functional>
#include <memory>

#include "absl/types/span.h"
#include "policy/language_model/language_loops.h"
#include "policy/language_model/language_model.h"
#include "policy/language_model/page_pool.h"
#include "policy/policy.h"

namespace tpo {

// A cache of so many pages.
using NewPages = std::function<std::unique_ptr<PagePool>(int pages)>;
// Forwards rows over a cache; logits after all of them, row-major, the vocabulary first in each
// row; until the next call.
using RowLogits = std::function<absl::Span<const float>(absl::Span<const LanguageModelRow> rows,
                                                        PagePool& cache)>;

// Its cache has a page for each row, so that paths may name any rows.
std::unique_ptr<TreeDecoder> NewLanguageModelDecoder(int vocabulary, const LanguageLoops& loops,
                                                     NewPages new_pages, RowLogits logits);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_DECODER_H_
