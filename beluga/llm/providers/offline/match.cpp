#include "beluga/llm/providers/offline/internal/match.hpp"

#include <algorithm>
#include <bit>

#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {
namespace {

constexpr double kSameRoot = 0.85, kInside = 0.8;

/// Calls f(word) for the words of a name such as "ServerAliveCountMax".
template <class F>
void humps(std::string_view word, F&& f) {
  std::size_t begin = 0, found = 0;
  for (std::size_t i = 1; i <= word.size(); ++i) {
    const bool cut =
        i < word.size() && is_upper(word[i]) && is_ascii_alpha(word[i - 1]) && !is_upper(word[i - 1]);
    if (!cut && !(i == word.size() && found > 0)) continue;
    if (i - begin >= 3) f(word.substr(begin, i - begin));
    begin = i, ++found;
  }
}

/// A plain word that stands only as a part of names in `code`: `beluga/store` does not say what is stored.
bool only_in_names(std::string_view stem, const std::vector<Token>& tokens, std::string_view text) {
  auto joins = [](char c) { return c == '/' || c == '_' || c == '.'; };
  std::size_t walked = 0;  // a name is looked at once, however often the word stands in it
  for (const Token& token : tokens) {
    if (token.stem != stem || token.begin < walked) continue;
    if (token.end > text.size()) return false;  // no text to look at
    std::size_t begin = token.begin, end = token.end;
    while (begin > 0 && (is_word_char(text[begin - 1]) || joins(text[begin - 1]))) --begin;
    while (end < text.size() && (is_word_char(text[end]) || joins(text[end]))) ++end;
    bool part = begin < token.begin || end > token.end;
    if (!part || begin == 0 || end >= text.size() || text[begin - 1] != '`' || text[end] != '`') return false;
    walked = end;
  }
  return true;
}

}  // namespace

bool all_in_row(const std::vector<std::string>& stems, const std::vector<Token>& tokens) {
  if (stems.empty() || tokens.size() < stems.size()) return false;
  for (std::size_t i = 0; i + stems.size() <= tokens.size(); ++i) {
    std::size_t k = 0;
    while (k < stems.size() && tokens[i + k].stem == stems[k]) ++k;
    if (k == stems.size()) return true;
  }
  return false;
}

bool has_option(std::string_view text, std::string_view option) {
  for (std::size_t at = text.find(option); at != std::string_view::npos; at = text.find(option, at + 1)) {
    std::size_t after = at + option.size();
    bool starts = at == 0 || (!is_word_char(text[at - 1]) && text[at - 1] != '-');
    bool stops = after >= text.size() || (!is_word_char(text[after]) && text[after] != '-');
    if (starts && stops) return true;
  }
  return false;
}

Matcher::Matcher(const std::vector<Term>& terms) : terms_(terms) {
  auto add = [&](std::size_t term, std::vector<std::string> stems, double strength, bool own) {
    Way way{term, std::move(stems), {}, strength, own};
    for (const std::string& stem : way.stems) way.joined += stem;
    const auto index = static_cast<std::uint32_t>(ways_.size());
    for (std::uint32_t place = 0; place < way.stems.size() && place < 64; ++place) {
      by_stem_[way.stems[place]].push_back({index, place, 1});
      // A common short word has no root to speak of; a name is not bent.
      if (way.stems[place].size() >= 4 && !(own && terms_[term].entity))
        by_root_[root_of(way.stems[place])].push_back({index, place, kSameRoot});
    }
    if (way.joined.size() >= 5) joined_[way.joined].emplace_back(term, strength);
    ways_.push_back(std::move(way));
  };
  for (std::size_t t = 0; t < terms_.size(); ++t) {
    if (terms_[t].option || terms_[t].stems.empty()) continue;
    add(t, terms_[t].stems, 1, true);
    for (const Alternative& other : alternatives(terms_[t].stems)) add(t, other.stems, other.strength, false);
  }
  seen_.resize(ways_.size());
}

const std::vector<Matcher::Part>& Matcher::parts_of(const std::string& stem) {
  const auto [it, fresh] = known_.try_emplace(stem);
  if (!fresh) return it->second;
  if (const auto exact = by_stem_.find(stem); exact != by_stem_.end()) it->second = exact->second;
  if (stem.size() >= 4)
    if (const auto same = by_root_.find(root_of(stem)); same != by_root_.end())
      for (const Part& part : same->second)
        if (ways_[part.way].stems[part.place] != stem) it->second.push_back(part);
  return it->second;
}

/// Words of a question that are written together in a name.
void Matcher::inside(const std::string& stem, Presence& out) {
  const auto [it, fresh] = inside_.try_emplace(stem);
  if (fresh && stem.size() >= 5)
    for (const Way& way : ways_) {
      // "maxsize" loses the last letter that "size" keeps.
      std::string_view part = way.joined;
      if (part.size() > 3 && part.back() == 'e') part.remove_suffix(1);
      if (part.size() < 3 || stem.size() < part.size() + 2) continue;
      const bool begins = stem.starts_with(part);
      if (begins || (part.size() >= 4 && stem.ends_with(part)) ||
          (part.size() >= 5 && stem.find(part) != std::string::npos))
        it->second.emplace_back(way.term, kInside * way.strength);
    }
  for (const auto& [term, strength] : it->second) out[term] = std::max(out[term], strength);
}

Presence Matcher::presence(const std::vector<Token>& tokens, std::string_view text, bool name,
                           std::vector<Mark>* marks) {
  Presence out(terms_.size(), 0);
  if (tokens.empty() && text.empty()) return out;
  std::vector<std::uint32_t> touched;
  std::vector<std::uint32_t> buried_ways;
  std::string pair;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    for (const Part& part : parts_of(tokens[i].stem)) {
      const Way& way = ways_[part.way];
      if (way.stems.size() == 1) {
        const double strength = way.strength * part.strength;
        if (marks != nullptr &&
            (marks->empty() || marks->back().token != i || marks->back().term != way.term))
          marks->push_back({i, way.term, strength});
        if (strength > out[way.term]) {
          const bool plain = way.own && part.strength >= 1 && !terms_[way.term].entity;
          // Asked once for each text: what it finds keeps `out` below `strength`, so that each token gets here.
          bool buried =
              plain && std::find(buried_ways.begin(), buried_ways.end(), part.way) != buried_ways.end();
          if (plain && !buried && only_in_names(way.stems.front(), tokens, text)) {
            buried_ways.push_back(part.way);
            buried = true;
          }
          out[way.term] = std::max(out[way.term], buried ? 0.6 : strength);
        }
        continue;
      }
      if (seen_[part.way] == 0) touched.push_back(part.way);
      seen_[part.way] |= std::uint64_t{1} << part.place;
      if (part.place != 0 || part.strength < 1) continue;
      std::size_t k = 1;
      while (k < way.stems.size() && i + k < tokens.size() && tokens[i + k].stem == way.stems[k]) ++k;
      if (k < way.stems.size()) continue;
      out[way.term] = std::max(out[way.term], way.strength);
      if (marks != nullptr) marks->push_back({i, way.term, way.strength});
    }
    auto whole = [&](const std::string& word) {
      if (const auto it = joined_.find(word); it != joined_.end())
        for (const auto& [term, strength] : it->second) out[term] = std::max(out[term], strength);
    };
    // "keep alive" against "keepalive", either way round.
    if (tokens[i].stem.size() >= 5) whole(tokens[i].stem);
    if (i + 1 < tokens.size() && tokens[i].stem.size() >= 2 && tokens[i + 1].begin <= tokens[i].end + 1) {
      pair = tokens[i].stem;
      pair += tokens[i + 1].stem;
      if (pair.size() >= 6) whole(pair);
    }
    // "ServerAliveCountMax"
    if (tokens[i].end <= text.size() && tokens[i].end - tokens[i].begin >= 6)
      humps(text.substr(tokens[i].begin, tokens[i].end - tokens[i].begin), [&](std::string_view word) {
        for (const Part& part : parts_of(stem(lower(word))))
          if (const Way& way = ways_[part.way]; way.stems.size() == 1)
            out[way.term] = std::max(out[way.term], kInside * way.strength * part.strength);
      });
    if (name) inside(tokens[i].stem, out);
  }
  for (const std::uint32_t index : touched) {
    const Way& way = ways_[index];
    if (way.own && !terms_[way.term].phrase) {  // some words of a compound
      const auto found = static_cast<double>(std::popcount(seen_[index]));
      const auto all = static_cast<double>(way.stems.size());
      out[way.term] = std::max(out[way.term], 0.6 * found / all * (found < all ? 0.7 : 1.0));
    }
    seen_[index] = 0;
  }
  for (std::size_t t = 0; t < terms_.size(); ++t)
    if (terms_[t].option && has_option(text, terms_[t].surface)) out[t] = 1;
  return out;
}

bool in_path(const Term& term, const std::vector<Token>& path) {
  if (term.option) return false;
  if (all_in_row(term.stems, path)) return true;
  if (term.stems.size() != 1 || term.stems.front().size() < 4) return false;
  const std::string& name = term.stems.front();
  // Also "chronyd" and "chronyc" for "chrony".
  return std::any_of(path.begin(), path.end(), [&](const Token& t) {
    return t.stem.starts_with(name) ||
           (t.stem.size() >= 5 && name.size() == t.stem.size() + 1 &&
            name.compare(0, t.stem.size() - 1, t.stem, 0, t.stem.size() - 1) == 0);
  });
}

std::string path_text(const std::string& path) {
  std::string text = path;
  // Extensions of documents are no subject.
  for (std::string_view ext : {".txt", ".md", ".rst", ".adoc", ".html"})
    if (text.size() > ext.size() && text.ends_with(ext)) text.resize(text.size() - ext.size());
  return text;
}

const std::string* asked_cell(const Question& q, const Passage& p) {
  const std::string* found = nullptr;
  double best = 0.9;
  if (p.row.empty()) return found;
  Matcher matcher(q.terms);
  for (const auto& [head, cell] : p.row) {
    if (q.kind == Kind::default_value && contains_word(head, "default") && !cell.empty()) return &cell;
    std::vector<Token> tokens = tokenise(head);
    double score = 0;
    const Presence here = matcher.presence(tokens, head);
    for (std::size_t t = 0; t < here.size(); ++t)
      if (q.terms[t].weight >= 0.5 && here[t] >= 1) score += q.terms[t].weight;
    if (score > best) best = score, found = &cell;
  }
  return found;
}

}  // namespace beluga::llm::offline_model
