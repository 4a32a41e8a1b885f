// What the tests of checkpoints save.
#ifndef TPO_TESTS_LEARNER_CHECKPOINT_DATA_H_
#define TPO_TESTS_LEARNER_CHECKPOINT_DATA_H_

#include <cstdint>
#include <memory>

#include "gtest/gtest.h"
#include "learner/checkpoint.h"
#include "tests/core/core_test_support.h"

namespace tpo {

// A state that the step decides.
inline CheckpointData DataOf(int64_t step) {
  CheckpointData data;
  data.step = step;
  data.model = std::make_shared<const TensorBundle>(MakeBundle({0.5F, static_cast<float>(step)}));
  data.optimizer = *TensorBundle::Create(
      {Tensor("step", TensorType::kInt64, {}), Tensor("m", TensorType::kFloat32, {2, 2})});
  data.optimizer.bytes()[0] = std::byte(step);
  data.lease_book.next_lease_id = 12;
  data.lease_book.cursor = 9;
  data.lease_book.unfinished_units = {{3, 5}, {8}};
  data.lease_book.ledger = {.leased = 11, .trained = 6, .expired = 2, .in_flight = 3};
  data.lease_book.weight_version = step;
  data.run_id = "run-\"1\"";
  data.seed = ~uint64_t{0};
  data.tokens_total = uint64_t{1} << 60;
  data.groups_total = 6;
  data.skipped_in_a_row = 2;
  data.config_fingerprint = "abc";
  return data;
}

inline void ExpectEqual(const CheckpointData& a, const CheckpointData& b) {
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.model->tensors(), b.model->tensors());
  EXPECT_EQ(a.model->bytes(), b.model->bytes());
  EXPECT_EQ(a.optimizer.tensors(), b.optimizer.tensors());
  EXPECT_EQ(a.optimizer.bytes(), b.optimizer.bytes());
  EXPECT_EQ(a.lease_book.next_lease_id, b.lease_book.next_lease_id);
  EXPECT_EQ(a.lease_book.cursor, b.lease_book.cursor);
  EXPECT_EQ(a.lease_book.unfinished_units, b.lease_book.unfinished_units);
  EXPECT_EQ(a.lease_book.ledger, b.lease_book.ledger);
  EXPECT_EQ(a.lease_book.weight_version, b.lease_book.weight_version);
  EXPECT_EQ(a.run_id, b.run_id);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.tokens_total, b.tokens_total);
  EXPECT_EQ(a.groups_total, b.groups_total);
  EXPECT_EQ(a.skipped_in_a_row, b.skipped_in_a_row);
  EXPECT_EQ(a.config_fingerprint, b.config_fingerprint);
}

}  // namespace tpo

#endif  // TPO_TESTS_LEARNER_CHECKPOINT_DATA_H_
