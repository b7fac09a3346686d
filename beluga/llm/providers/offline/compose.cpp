#include <algorithm>

#include "beluga/base/utf8.hpp"
#include "beluga/llm/providers/offline/internal/match.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/providers/offline/internal/values.hpp"

namespace beluga::llm::offline_model {
namespace {

constexpr std::size_t kWholeEntry = 700;  // an entry of at most so many bytes is quoted whole
constexpr std::size_t kQuote = 420;       // else sentences are added up to here

/// What stands for the asked value in a sentence: "150", "/var/lib/x", "SIGUSR1"; empty if it cannot be
/// isolated.
std::string value_of(const Question& q, const Passage& p, const Sentence& s, std::size_t* offset) {
  if (const std::string* cell = asked_cell(q, p)) return *cell;
  switch (q.kind) {
    case Kind::default_value: {
      std::string value = default_in(s.text, offset);
      if (value.empty() && q.shape == Shape::path) value = first_path(s.text, offset);
      return value;
    }
    case Kind::number: {
      if (std::string value = default_in(s.text, offset); !value.empty() && has_digit(value)) return value;
      return only_number(s.text, offset);
    }
    case Kind::place:
      return first_path(s.text, offset);
    case Kind::option:
      if (code_like(p.tag)) return p.tag;
      return {};
    default:
      return {};
  }
}

std::size_t size_of(const Passage& p) {
  std::size_t n = 0;
  for (const Sentence& each : p.sentences) n += each.text.size() + 1;
  return n;
}

}  // namespace

std::string compose(const Question& q, const std::vector<Passage>& passages, const Candidate& best,
                    std::size_t most) {
  const Passage& p = passages[best.passage];
  const Sentence& s = p.sentences[best.sentence];
  std::size_t offset = 0;
  std::string value = value_of(q, p, s, &offset);
  const std::int64_t line = s.line_of(offset);

  std::size_t from = best.sentence, to = best.sentence + 1;  // the sentences that are quoted
  std::size_t length = s.text.size();
  auto add_next = [&] { length += p.sentences[to++].text.size() + 1; };
  auto add_previous = [&] { length += p.sentences[--from].text.size() + 1; };
  // A short entry is quoted whole, over its paragraphs.
  std::size_t first = best.passage, last = best.passage, whole = size_of(p);
  if (!p.tag.empty()) {
    auto same = [&](const Passage& other) {
      return other.path == p.path && other.tag_line == p.tag_line && other.tag == p.tag;
    };
    while (first > 0 && same(passages[first - 1])) whole += size_of(passages[--first]);
    while (last + 1 < passages.size() && same(passages[last + 1])) whole += size_of(passages[++last]);
    if (whole > kWholeEntry) first = last = best.passage, whole = size_of(p);
  }
  std::string text;
  if (!p.tag.empty() && whole <= kWholeEntry) {
    for (std::size_t i = first; i <= last; ++i)
      for (const Sentence& each : passages[i].sentences) text += (text.empty() ? "" : " ") + each.text;
    from = to = p.sentences.size();
  } else {
    // A short sentence leans on the one before; then what follows explains it.
    const auto words = std::count(s.text.begin(), s.text.end(), ' ') + 1;
    if (words < 9 && from > 0 && !p.sentences[from - 1].text.ends_with("?")) add_previous();
    // A figure that is named in one of the next two sentences belongs to the answer.
    if (value.empty() && (q.kind == Kind::number || q.kind == Kind::default_value) && !has_digit(s.text))
      for (std::size_t next = best.sentence + 1; next < p.sentences.size() && next <= best.sentence + 2;
           ++next)
        if (std::string later = default_in(p.sentences[next].text); !later.empty()) {
          value = later;
          while (to <= next) add_next();
          break;
        }
    while (to < p.sentences.size() && length + p.sentences[to].text.size() < kQuote) add_next();
  }
  for (std::size_t i = from; i < to; ++i) text += (text.empty() ? "" : " ") + p.sentences[i].text;
  // A sentence that announces what follows, or says next to nothing, needs its successor.
  const bool announces = text.ends_with(":");
  const bool bare = std::count(text.begin(), text.end(), ' ') < 5 && p.tag.empty();
  if (to == p.sentences.size() && (announces || bare) && best.passage + 1 < passages.size() &&
      passages[best.passage + 1].path == p.path) {
    const Passage& next = passages[best.passage + 1];
    if (!next.sentences.empty() && next.sentences.front().line <= s.line + 12)
      text +=
          " " + (next.tag.empty() || next.tag == p.tag ? "" : next.tag + ": ") + next.sentences.front().text;
  }
  if (text.size() > most) {
    std::size_t cut = text.rfind(' ', most - 4);
    text = std::string(truncate_utf8(text, cut == std::string::npos ? most - 4 : cut)) + " ...";
  }
  std::string out;
  if (!value.empty() && value != p.tag && !text.starts_with(value)) out += value + ". ";
  if (!p.tag.empty() && !text.starts_with(p.tag)) out += p.tag + ": ";
  out += text;
  out += " (source: " + p.path + ":" + std::to_string(line) + ")";
  return out;
}

}  // namespace beluga::llm::offline_model
