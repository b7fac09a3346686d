#include "beluga/base/utf8.hpp"

#include "beluga/base/internal/utf8.hpp"

namespace beluga {
namespace {
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
}

bool is_valid_utf8(std::string_view text) noexcept {
  return detail::is_utf8(text);
}

std::string sanitize_utf8(std::string_view text) {
  return detail::is_utf8(text) ? std::string(text) : detail::sanitized_utf8(text);
}

std::string_view truncate_utf8(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  // A character has at most three continuation bytes: step back over those that follow the cut.
  std::size_t cut = max_bytes;
  for (int i = 0; i < 3 && cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U; ++i) --cut;
  // In ill-formed text a run of continuation bytes belongs to nobody; then any cut is as good.
  if ((static_cast<unsigned char>(text[cut]) & 0xC0U) == 0x80U) cut = max_bytes;
  return text.substr(0, cut);
}

std::string shorten(std::string_view text, std::size_t max_bytes, std::string_view mark) {
  if (text.size() <= max_bytes) return std::string(text);
  if (mark.size() > max_bytes) return std::string(truncate_utf8(text, max_bytes));
  return std::string(truncate_utf8(text, max_bytes - mark.size())).append(mark);
}

std::size_t count_code_points(std::string_view text) noexcept {
  std::size_t count = 0;
  while (!text.empty()) {
    const detail::Utf8Step step = detail::utf8_step(text);
    text.remove_prefix(step.length != 0 ? step.length : step.bad);
    ++count;
  }
  return count;
}

void CodePoints::Iterator::measure() noexcept {
  length_ = 0;
  if (rest_.empty()) return;
  const detail::Utf8Step step = detail::utf8_step(rest_);
  length_ = step.length != 0 ? step.length : step.bad;
}

void Utf8Sanitizer::feed(std::string_view chunk, std::string& out) {
  // Finish the character that was cut, byte by byte: it takes three at most.
  while (!held_.empty() && !chunk.empty()) {
    held_.push_back(chunk.front());
    const detail::Utf8Step step = detail::utf8_step(held_);
    if (step.length == 0 && step.cut) {
      chunk.remove_prefix(1);
      continue;
    }
    if (step.length != 0) {
      out.append(held_);
      chunk.remove_prefix(1);
    } else {
      out.append(kReplacement);  // the byte just looked at begins something new and stays in the chunk
    }
    held_.clear();
  }
  while (!chunk.empty()) {
    const std::size_t good = detail::utf8_error_at(chunk);
    out.append(chunk.substr(0, good));
    chunk.remove_prefix(good);
    if (chunk.empty()) return;
    const detail::Utf8Step step = detail::utf8_step(chunk);
    if (step.cut) {
      held_.assign(chunk);
      return;
    }
    out.append(kReplacement);
    chunk.remove_prefix(step.bad);
  }
}

void Utf8Sanitizer::finish(std::string& out) {
  if (!held_.empty()) out.append(kReplacement);
  held_.clear();
}

}  // namespace beluga
