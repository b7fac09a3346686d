#include "beluga/llm/providers/offline/internal/match.hpp"

#include <algorithm>

namespace beluga::llm::offline_model {
namespace {

bool has(std::string_view stem, const std::vector<Token>& tokens) {
  return std::any_of(tokens.begin(), tokens.end(), [&](const Token& t) { return t.stem == stem; });
}

/// "keep alive" against "keepalive", either way round.
bool joined(const std::vector<std::string>& stems, const std::vector<Token>& tokens) {
  if (stems.size() == 1) {
    const std::string& whole = stems.front();
    if (whole.size() < 6) return false;
    for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
      const std::string& a = tokens[i].stem;
      if (a.size() >= 2 && a.size() < whole.size() && whole.starts_with(a) &&
          std::string_view(whole).substr(a.size()) == tokens[i + 1].stem)
        return true;
    }
    return false;
  }
  std::string whole;
  for (const std::string& stem : stems) whole += stem;
  return whole.size() >= 5 && has(whole, tokens);
}

/// A plain word that stands only as a part of names in `code`: `beluga/store` does not say what is stored.
bool only_in_names(const Term& term, const std::vector<Token>& tokens, std::string_view text) {
  if (term.entity || term.stems.size() != 1) return false;
  auto joins = [](char c) { return c == '/' || c == '_' || c == '.'; };
  for (const Token& token : tokens) {
    if (token.stem != term.stems.front()) continue;
    if (token.end > text.size()) return false;  // no text to look at
    std::size_t begin = token.begin, end = token.end;
    while (begin > 0 && (is_word_char(text[begin - 1]) || joins(text[begin - 1]))) --begin;
    while (end < text.size() && (is_word_char(text[end]) || joins(text[end]))) ++end;
    bool part = begin < token.begin || end > token.end;
    if (!part || begin == 0 || end >= text.size() || text[begin - 1] != '`' || text[end] != '`') return false;
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

const std::vector<std::string_view>& Matcher::synonyms_of(const std::string& stem) {
  auto [it, fresh] = known_.try_emplace(stem);
  if (fresh) it->second = synonyms(stem);
  return it->second;
}

double Matcher::presence(const Term& term, const std::vector<Token>& tokens, std::string_view text) {
  if (tokens.empty()) return 0;
  if (term.option) return has_option(text, term.surface) ? 1 : 0;
  if (all_in_row(term.stems, tokens)) return only_in_names(term, tokens, text) ? 0.6 : 1;
  if (joined(term.stems, tokens)) return 1;
  if (term.stems.size() == 1) {
    for (std::string_view other : synonyms_of(term.stems.front()))
      if (has(other, tokens)) return 0.6;
    return 0;
  }
  std::size_t found = 0;
  for (const std::string& stem : term.stems) found += has(stem, tokens) ? 1 : 0;
  return 0.6 * static_cast<double>(found) / static_cast<double>(term.stems.size()) *
         (found == term.stems.size() ? 1.0 : 0.7);
}

double Matcher::presence_in_name(const Term& term, const std::vector<Token>& tokens, std::string_view text) {
  double whole = presence(term, tokens, text);
  if (whole >= 0.7 || term.option || term.stems.size() != 1 || tokens.empty()) return whole;
  auto inside = [&](std::string_view stem) {
    return stem.size() >= 3 && std::any_of(tokens.begin(), tokens.end(), [&](const Token& t) {
             if (t.stem.size() < stem.size() + 2) return false;
             if (t.stem.starts_with(stem)) return true;
             return stem.size() >= 4 && t.stem.ends_with(stem);
           });
  };
  // "maxsize" loses the last letter that "size" keeps.
  std::string_view stem = term.stems.front();
  if (stem.size() > 3 && stem.back() == 'e') stem.remove_suffix(1);
  if (inside(stem)) return 0.8;
  for (std::string_view other : synonyms_of(term.stems.front()))
    if (inside(other)) return std::max(whole, 0.5);
  return whole;
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
  Matcher matcher;
  for (const auto& [head, cell] : p.row) {
    if (q.kind == Kind::default_value && contains_word(head, "default") && !cell.empty()) return &cell;
    std::vector<Token> tokens = tokenise(head);
    double score = 0;
    for (const Term& term : q.terms)
      if (term.weight >= 0.5 && matcher.presence(term, tokens, head) >= 1) score += term.weight;
    if (score > best) best = score, found = &cell;
  }
  return found;
}

}  // namespace beluga::llm::offline_model
