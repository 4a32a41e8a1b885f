#include "policy/language_model/language_loops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/packed_matrix.h"

namespace tpo {
namespace {

float ToFloat(float value) { return value; }
float ToFloat(uint16_t bits) { return FromBfloat16(bits); }
void Store(float value, float* to) { *to = value; }
void Store(float value, uint16_t* to) { *to = ToBfloat16(value); }

// Random [rows, columns], exactly representable in T.
template <typename T>
std::vector<float> RandomMatrix(int rows, int columns, int seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(rows) * columns);
  for (float& value : values) {
    T stored;
    Store(normal(random), &stored);
    value = ToFloat(stored);
  }
  return values;
}

// Random rows times a random matrix, both [.., depth].
template <typename T>
class RandomProduct {
 public:
  RandomProduct(int rows, int depth, int columns)
      : rows_(rows),
        depth_(depth),
        columns_(columns),
        a_(RandomMatrix<T>(rows, depth, 1)),
        b_(RandomMatrix<T>(columns, depth, 2)),
        inputs_(static_cast<size_t>(rows) * kStride) {
    SafetensorsView view;
    view.spec.type = TensorType::kFloat32;
    view.bytes = {reinterpret_cast<const char*>(b_.data()), b_.size() * sizeof(float)};
    std::vector<MatrixRow> matrix_rows;
    for (int i = 0; i < columns; ++i) matrix_rows.push_back({&view, i});
    matrix_ = PackedMatrix<T>(matrix_rows, depth);
    bias_.assign(matrix_.columns(), 0.25F);
    for (int r = 0; r < rows; ++r) {
      for (int k = 0; k < depth; ++k) Store(a_[r * depth + k], &inputs_[r * kStride + k]);
    }
  }

  // 1 + bias + the sums of rows `first` … `last` - 1, [last - first, columns of the packed matrix].
  std::vector<float> Of(const LanguageLoops& loops, int first, int last) const {
    std::vector<float> out(static_cast<size_t>(last - first) * matrix_.columns(), 1.0F);
    Product product;
    product.rows = inputs_.data() + first * kStride;
    product.row_stride = kStride;
    product.row_count = last - first;
    product.matrix = matrix_.data();
    product.depth = matrix_.depth();
    product.last_panel = matrix_.panels();
    product.bias = bias_.data();
    product.end = ProductEnd::kAdd;
    product.out = out.data();
    product.out_stride = matrix_.columns();
    loops.typed<T>().product(product);
    return out;
  }

  void CheckValues(const LanguageLoops& loops) const {
    const std::vector<float> out = Of(loops, 0, rows_);
    for (int r = 0; r < rows_; ++r) {
      for (int c = 0; c < columns_; ++c) {
        double expected = 1.25;
        for (int k = 0; k < depth_; ++k)
          expected += double{a_[r * depth_ + k]} * b_[c * depth_ + k];
        ASSERT_NEAR(out[r * matrix_.columns() + c], expected, 2e-5)
            << loops.name << " " << r << " " << c;
      }
    }
  }

  // Each row by itself has the sums, to the last bit, that it has among the others.
  void CheckRowsAlone(const LanguageLoops& loops) const {
    const std::vector<float> out = Of(loops, 0, rows_);
    const size_t columns = matrix_.columns();
    for (int r = 0; r < rows_; ++r) {
      const std::vector<float> alone = Of(loops, r, r + 1);
      ASSERT_EQ(std::memcmp(alone.data(), out.data() + r * columns, columns * sizeof(float)), 0)
          << loops.name << " " << r << " of " << rows_;
    }
  }

 private:
  static constexpr int kStride = 96;
  const int rows_;
  const int depth_;
  const int columns_;
  const std::vector<float> a_;
  const std::vector<float> b_;
  PackedMatrix<T> matrix_;
  std::vector<T> inputs_;
  std::vector<float> bias_;
};

TEST(LanguageLoopsTest, ProductsAreRightForEveryNumberOfRows) {
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    for (int rows = 1; rows <= 50; ++rows) {
      for (const int depth : {37, 64, 96}) {
        RandomProduct<float>(rows, depth, 70).CheckValues(*loops);
        RandomProduct<uint16_t>(rows, depth, 70).CheckValues(*loops);
      }
    }
  }
}

// More than a loop works on at a time, with rows left over.
TEST(LanguageLoopsTest, ProductsOfThousandsOfRowsAreRight) {
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    for (const int rows : {2725, 2751}) RandomProduct<uint16_t>(rows, 96, 70).CheckValues(*loops);
  }
}

TEST(LanguageLoopsTest, ARowsSumsDontDependOnTheOtherRows) {
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    for (const int rows : {2, 12, 13, 16, 17, 33, 50}) {
      RandomProduct<float>(rows, 85, 70).CheckRowsAlone(*loops);
      RandomProduct<uint16_t>(rows, 85, 70).CheckRowsAlone(*loops);
    }
  }
}

TEST(LanguageLoopsTest, ExponentialSumsAreExact) {
  std::mt19937 random(3);
  std::uniform_real_distribution<float> uniform(-90.0F, 0.0F);
  std::vector<float> values(1000);
  for (float& value : values) value = uniform(random);
  values[17] = 0.0F;
  values[18] = -std::numeric_limits<float>::infinity();
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    EXPECT_EQ(loops->maximum(values.data(), 1000), 0.0F);
    for (const float scale : {1.0F, 0.5F, 2.0F}) {
      float sums[4];
      float sums_alone[4];
      float weighted_sums[4];
      loops->exponential_sums(values.data(), 1000, 0.0F, scale, sums, weighted_sums);
      loops->exponential_sums(values.data(), 1000, 0.0F, scale, sums_alone, nullptr);
      for (int block = 0; block < 4; ++block) {
        double expected = 0.0;
        double weighted = 0.0;
        for (int i = block * 256; i < std::min(1000, block * 256 + 256); ++i) {
          const double x = double{values[i]} * scale;
          expected += std::exp(x);
          if (std::isfinite(x)) weighted += x * std::exp(x);
        }
        EXPECT_NEAR(sums[block], expected, 1e-6 * expected) << loops->name;
        EXPECT_NEAR(weighted_sums[block], weighted, -1e-6 * weighted) << loops->name;
        EXPECT_EQ(sums_alone[block], sums[block]) << loops->name;
      }
    }
  }
}

TEST(LanguageLoopsTest, AnImpossibleTokenAddsNothing) {
  std::vector<float> values(32, -std::numeric_limits<float>::infinity());
  values[3] = 5.0F;
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    float sum = 0.0F;
    float weighted_sum = 1.0F;
    loops->exponential_sums(values.data(), 32, 5.0F, 1.0F, &sum, &weighted_sum);
    EXPECT_EQ(sum, 1.0F);
    EXPECT_EQ(weighted_sum, 0.0F);
  }
}

}  // namespace
}  // namespace tpo
