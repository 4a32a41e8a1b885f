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

std::vector<const LanguageLoops*> Supported() {
  std::vector<const LanguageLoops*> all = {&language_loops_baseline::kLoops};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back(&language_loops_avx2::kLoops);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
    all.push_back(&language_loops_avx512::kLoops);
  if (BestLanguageLoops().name == std::string("avx512_bf16")) all.push_back(&BestLanguageLoops());
  return all;
}

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

template <typename T>
void CheckProduct(const LanguageLoops& loops, int rows, int depth, int columns) {
  const std::vector<float> a = RandomMatrix<T>(rows, depth, 1);
  const std::vector<float> b = RandomMatrix<T>(columns, depth, 2);
  SafetensorsView view;
  view.spec.type = TensorType::kFloat32;
  view.bytes = {reinterpret_cast<const char*>(b.data()), b.size() * sizeof(float)};
  std::vector<MatrixRow> matrix_rows;
  for (int i = 0; i < columns; ++i) matrix_rows.push_back({&view, i});
  const PackedMatrix<T> matrix(matrix_rows, depth);
  const int stride = 64;
  std::vector<T> inputs(rows * stride);
  for (int r = 0; r < rows; ++r) {
    for (int k = 0; k < depth; ++k) Store(a[r * depth + k], &inputs[r * stride + k]);
  }
  std::vector<float> bias(matrix.columns(), 0.25F);
  std::vector<float> out(rows * matrix.columns(), 1.0F);
  Product product;
  product.rows = inputs.data();
  product.row_stride = stride;
  product.row_count = rows;
  product.matrix = matrix.data();
  product.depth = matrix.depth();
  product.last_panel = matrix.panels();
  product.bias = bias.data();
  product.end = ProductEnd::kAdd;
  product.out = out.data();
  product.out_stride = matrix.columns();
  loops.typed<T>().product(product);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) {
      double expected = 1.25;
      for (int k = 0; k < depth; ++k) expected += double{a[r * depth + k]} * b[c * depth + k];
      ASSERT_NEAR(out[r * matrix.columns() + c], expected, 2e-5)
          << loops.name << " " << r << " " << c;
    }
  }
}

TEST(LanguageLoopsTest, ProductsAreRightForEveryNumberOfRows) {
  for (const LanguageLoops* const loops : Supported()) {
    for (int rows = 1; rows <= 27; ++rows) {
      CheckProduct<float>(*loops, rows, 37, 70);
      CheckProduct<uint16_t>(*loops, rows, 37, 70);
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
  for (const LanguageLoops* const loops : Supported()) {
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
  for (const LanguageLoops* const loops : Supported()) {
    float sum = 0.0F;
    float weighted_sum = 1.0F;
    loops->exponential_sums(values.data(), 32, 5.0F, 1.0F, &sum, &weighted_sum);
    EXPECT_EQ(sum, 1.0F);
    EXPECT_EQ(weighted_sum, 0.0F);
  }
}

}  // namespace
}  // namespace tpo
