// How deep arrays and objects of a JSON text are nested, counted before anything is built: values
// are copied, printed and compared by recursion, which hostile text must not drive. Linear; the
// depth limit of nlohmann's parser callback isn't (it looks at all siblings whenever one ends).
//
// Of text that isn't JSON at least the depth up to where a parser gives up. A pure function.
#ifndef TPO_CORE_JSON_DEPTH_H_
#define TPO_CORE_JSON_DEPTH_H_

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace tpo {

// What readers of foreign JSON accept, unless they say otherwise.
inline constexpr int kMostJsonLevels = 100;

inline int JsonDepth(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace tpo

#endif  // TPO_CORE_JSON_DEPTH_H_
