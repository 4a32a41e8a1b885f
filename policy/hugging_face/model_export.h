// Writes a language model as a Hugging Face directory that transformers loads.
//
// The weights are ours; everything else (config, generation config, tokenizer, chat template) is
// the source directory's, byte for byte, but for the config's dtype.
#ifndef TPO_POLICY_HUGGING_FACE_MODEL_EXPORT_H_
#define TPO_POLICY_HUGGING_FACE_MODEL_EXPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "core/file_system.h"
#include "core/weight_snapshot.h"

namespace tpo {

struct ModelExportOptions {
  // Largest *.safetensors file; what doesn't fit one is split over several with an index. A tensor
  // is never split.
  uint64_t max_file_bytes = uint64_t{5} << 30;
};

// Writes `weights`, which have the names and shapes of the model in `source`, all of one type,
// together with the other files of `source`, into `directory`. The directory appears complete or
// not at all (it is written beside it and renamed). FAILED_PRECONDITION: `directory` is there and
// not empty; INVALID_ARGUMENT: the weights aren't those of the model.
absl::Status ExportModel(FileSystem* file_system, const std::string& source,
                         const TensorBundle& weights, const std::string& directory,
                         const ModelExportOptions& options = {});

}  // namespace tpo

#endif  // TPO_POLICY_HUGGING_FACE_MODEL_EXPORT_H_
