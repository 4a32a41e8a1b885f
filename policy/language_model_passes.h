// Passes of a LanguageModelPolicy over its TrainableLanguageModel. Internal to the
// policy.
#ifndef TPO_POLICY_LANGUAGE_MODEL_PASSES_H_
#define TPO_POLICY_LANGUAGE_MODEL_PASSES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "policy/language_model/trainable_language_model.h"
#include "policy/policy.h"

namespace tpo {

// `names`: of the gradients that Backward is given, in their order. Borrows the model.
std::unique_ptr<TreePass> NewLanguageModelTreePass(TrainableLanguageModel* model,
                                                   std::vector<std::string> names);
// Of a pass made by it: bytes kept for its backward pass.
size_t KeptBytes(const TreePass& pass);

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_PASSES_H_
