#include "beluga/llm/providers/offline/internal/rank.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>

#include "beluga/llm/providers/offline/internal/weights.hpp"

namespace beluga::llm::offline_model {
namespace {

struct Tokens {
  std::vector<std::vector<Token>> sentences;
  std::vector<Token> tag, outer, section, path, basename;
};

bool all_in_row(const std::vector<std::string>& stems, const std::vector<Token>& tokens) {
  if (stems.empty() || tokens.size() < stems.size()) return false;
  for (std::size_t i = 0; i + stems.size() <= tokens.size(); ++i) {
    std::size_t k = 0;
    while (k < stems.size() && tokens[i + k].stem == stems[k]) ++k;
    if (k == stems.size()) return true;
  }
  return false;
}

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

const std::vector<std::string_view>& synonyms_of(
    const std::string& stem, std::unordered_map<std::string, std::vector<std::string_view>>& known) {
  auto [it, fresh] = known.try_emplace(stem);
  if (fresh) it->second = synonyms(stem);
  return it->second;
}

/// "-s" stands by itself, in that case of letters.
bool has_option(std::string_view text, std::string_view option) {
  for (std::size_t at = text.find(option); at != std::string_view::npos; at = text.find(option, at + 1)) {
    std::size_t after = at + option.size();
    bool starts = at == 0 || (!is_word_char(text[at - 1]) && text[at - 1] != '-');
    bool stops = after >= text.size() || (!is_word_char(text[after]) && text[after] != '-');
    if (starts && stops) return true;
  }
  return false;
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

double presence_with(const Term& term, const std::vector<Token>& tokens,
                     std::unordered_map<std::string, std::vector<std::string_view>>& known,
                     std::string_view text) {
  if (tokens.empty()) return 0;
  if (term.option) return has_option(text, term.surface) ? 1 : 0;
  if (all_in_row(term.stems, tokens)) return only_in_names(term, tokens, text) ? 0.6 : 1;
  if (joined(term.stems, tokens)) return 1;
  if (term.stems.size() == 1) {
    for (std::string_view other : synonyms_of(term.stems.front(), known))
      if (has(other, tokens)) return 0.6;
    return 0;
  }
  std::size_t found = 0;
  for (const std::string& stem : term.stems) found += has(stem, tokens) ? 1 : 0;
  return 0.6 * static_cast<double>(found) / static_cast<double>(term.stems.size()) *
         (found == term.stems.size() ? 1.0 : 0.7);
}

bool code_like(std::string_view tag) {
  if (tag.empty()) return false;
  if (tag.front() == '-' || tag.front() == '`' || tag.find("--") != std::string_view::npos) return true;
  std::size_t space = tag.find(' ');
  std::string_view first = tag.substr(0, space);
  return first.find_first_of("_.-/=") != std::string_view::npos || first.size() == tag.size() ||
         (!is_upper(first.front()) && std::count(tag.begin(), tag.end(), ' ') <= 2);
}

bool has_digit(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_digit);
}

bool number_word(std::string_view text) {
  for (std::string_view w :
       {"one",    "two",  "three", "four",  "five",  "six",    "seven",  "eight",   "nine",     "ten",
        "twelve", "once", "twice", "every", "daily", "hourly", "weekly", "monthly", "no limit", "unlimited"})
    if (contains_word(text, w)) return true;
  return false;
}

bool path_token(std::string_view w) {
  if (w.size() < 3) return false;
  std::size_t slash = w.find('/');
  if (slash == 0 || w.starts_with("~/") || w.starts_with("$"))
    return w.find('/') != std::string_view::npos || w.front() == '$';
  if (slash != std::string_view::npos)
    return w.find("//") == std::string_view::npos && w.find_first_of(",()<>|") == std::string_view::npos;
  std::size_t dot = w.rfind('.');
  return dot != std::string_view::npos && dot > 1 && dot + 1 < w.size() && w.size() - dot <= 6 &&
         is_ascii_alpha(w[dot + 1]) && is_word_char(w[dot - 1]);
}

template <class F>
void each_word(std::string_view text, F&& f) {
  std::size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && text[i] == ' ') ++i;
    std::size_t begin = i;
    while (i < text.size() && text[i] != ' ') ++i;
    std::size_t end = i;
    while (begin < end && (std::string_view("\"'`(<[*,;").find(text[begin]) != std::string_view::npos))
      ++begin;
    while (end > begin && (std::string_view("\"'`)>]*,;:.?!").find(text[end - 1]) != std::string_view::npos))
      --end;
    if (end > begin && !f(text.substr(begin, end - begin), begin)) return;
  }
}

std::string first_path(std::string_view text, std::size_t* offset) {
  std::string found;
  each_word(text, [&](std::string_view w, std::size_t at) {
    if (!path_token(w)) return true;
    found = std::string(w);
    if (offset) *offset = at;
    return false;
  });
  return found;
}

/// The only number of a sentence, with its unit.
std::string only_number(std::string_view text, std::size_t* offset) {
  std::string found;
  int count = 0;
  std::string_view pending;
  each_word(text, [&](std::string_view w, std::size_t at) {
    if (!pending.empty()) {
      static constexpr std::string_view kUnits[] = {
          "bytes", "bits",  "seconds", "second",  "minutes", "minute", "hours",        "hour",
          "days",  "day",   "weeks",   "week",    "months",  "years",  "milliseconds", "ms",
          "KiB",   "MiB",   "GiB",     "MB",      "GB",      "kB",     "megabytes",    "kilobytes",
          "lines", "names", "percent", "queries", "times"};
      if (std::find(std::begin(kUnits), std::end(kUnits), w) != std::end(kUnits))
        found += " " + std::string(w);
      pending = {};
    }
    bool numeric = has_digit(w) && std::all_of(w.begin(), w.end(), [](char c) {
                     return is_digit(c) || c == '.' || c == ',' || c == '%' || c == '-' || c == ':';
                   });
    if (!numeric) return true;
    ++count;
    if (count == 1) {
      found = std::string(w);
      if (offset) *offset = at;
      pending = w;
    }
    return true;
  });
  return count == 1 ? found : std::string();
}

/// A name in a path, also as the beginning of a longer one: "borg" in "borgbackup-doc".
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

/// The cell that is asked for by the head of its column: "which HTTP status" in a row of "code | HTTP". Null
/// if none is.
const std::string* asked_cell(const Question& q, const Passage& p) {
  const std::string* found = nullptr;
  double best = 0.9;
  for (const auto& [head, cell] : p.row) {
    std::vector<Token> tokens = tokenise(head);
    double score = 0;
    for (const Term& term : q.terms)
      if (term.weight >= 0.5 && presence(term, tokens, head) == 1) score += term.weight;
    if (score > best) best = score, found = &cell;
  }
  return found;
}

/// One of the next two sentences names a default.
bool later_default(const Passage& p, std::size_t index) {
  for (std::size_t i = index + 1; i < p.sentences.size() && i <= index + 2; ++i)
    if (std::string value = default_in(p.sentences[i].text); !value.empty() && has_digit(value)) return true;
  return false;
}

double type_bonus(const Question& q, const Passage& p, std::size_t index, double section_cover) {
  const std::string& s = p.sentences[index].text;
  const Weights& w = weights;
  switch (q.kind) {
    case Kind::default_value: {
      if (std::string value = default_in(s); !value.empty()) {
        bool unfit = q.path ? first_path(value, nullptr).empty() : q.numeric && !has_digit(value);
        return unfit ? w.default_unfit : w.default_value;
      }
      if (q.path) {
        std::string path = first_path(s, nullptr);
        if (path.empty()) return w.path_none;
        bool rooted = std::string_view("/~$").find(path.front()) != std::string_view::npos;
        return rooted ? w.default_path + w.rooted_path : 0.5 * w.default_path;
      }
      if (later_default(p, index)) return w.default_later;
      if (q.numeric && !has_digit(s)) return w.number_missing;
      return contains_word(s, "default") || contains_word(s, "defaults") ? w.default_word : 0;
    }
    case Kind::number:
      if (has_digit(s)) return default_in(s).empty() ? w.number : w.number_default;
      return number_word(s) ? w.number_word : later_default(p, index) ? w.number_later : w.number_none;
    case Kind::when:
      return has_digit(s) ? w.when : 0;
    case Kind::who: {
      // A personal name: two capitalised words in a row, or an address.
      bool named = s.find('@') != std::string::npos;
      bool previous = false;
      each_word(s, [&](std::string_view word, std::size_t) {
        bool capital = is_upper(word.front()) && word.size() > 1 && word.size() < 20 && !is_upper(word[1]) &&
                       word.find_first_of("./:") == std::string_view::npos;
        static constexpr std::string_view kLegal[] = {
            "Software",  "License",    "Licence", "Consortium", "Foundation", "General", "Public",
            "Copyright", "Permission", "The",     "This",       "If",         "In",      "All"};
        if (std::find(std::begin(kLegal), std::end(kLegal), word) != std::end(kLegal)) capital = false;
        named = named || (capital && previous);
        previous = capital;
        return true;
      });
      std::string above = lower(p.section + " " + p.tag);
      for (std::string_view cue : {"author", "authors", "maintainer", "maintainers"})
        if (named && contains_word(above, cue)) return w.who_named + 0.15;
      for (std::string_view cue : {"author", "authors", "written by", "wrote", "maintained by", "maintainer",
                                   "creator", "developed by", "created by"})
        if (contains_word(s, cue)) return named ? w.who_named : 0;
      return named && contains_word(s, "copyright") ? w.who : 0;
    }
    case Kind::place:
      return first_path(s, nullptr).empty() ? w.path_none : w.path;
    case Kind::option: {
      bool dashed =
          s.find(" -") != std::string::npos || s.starts_with("-") || s.find('`') != std::string::npos;
      return code_like(p.tag) ? w.option_entry : dashed ? w.option_dash : 0;
    }
    case Kind::how_to: {
      bool code = code_like(p.tag) || s.find(" --") != std::string::npos ||
                  s.find('`') != std::string::npos || p.verbatim || s.ends_with(":");
      return (code ? w.how_code : 0) + (p.first_of_section && index == 0 ? w.how_first * section_cover : 0);
    }
    case Kind::yes_no:
    case Kind::fact: {
      std::string head = lower(s.substr(0, 5));
      bool verdict = head.starts_with("yes") || head.starts_with("no,") || head.starts_with("no.") ||
                     head.starts_with("no ");
      double first = p.first_of_section && index == 0 ? w.faq_first * section_cover : 0;
      if (q.outcome)
        for (std::string_view cue :
             {"error", "fail", "fails", "exit", "exits", "end", "ends", "stop", "stops", "refused",
              "rejected", "ignored", "exhausted", "when", "if", "once"})
          if (contains_word(s, cue)) {
            first += w.outcome;
            break;
          }
      return first + (verdict ? w.verdict : 0);
    }
    case Kind::definition: {
      double first = index == 0 ? w.first_sentence : 0;
      std::vector<Token> start = tokenise(std::string_view(s).substr(0, 80));
      std::size_t at =
          !start.empty() && (start[0].stem == "a" || start[0].stem == "an" || start[0].stem == "the") ? 1 : 0;
      for (const Term& term : q.terms) {
        if (term.weight < 1.0 || start.size() < at + term.stems.size() + 1) continue;
        if (!std::equal(term.stems.begin(), term.stems.end(), start.begin() + static_cast<std::ptrdiff_t>(at),
                        [](const std::string& x, const Token& y) { return x == y.stem; }))
          continue;
        const std::string& verb = start[at + term.stems.size()].stem;
        first += verb == "is" || verb == "ar" || verb == "are" || verb == "mean" || verb == "refer"
                     ? w.defines
                     : w.starts_with;
        break;
      }
      return first + (s.find(" is a") != std::string::npos || s.find(" are ") != std::string::npos ||
                              s.find(" is the ") != std::string::npos
                          ? w.is_a
                          : 0);
    }
  }
  return 0;
}

}  // namespace

double presence(const Term& term, const std::vector<Token>& tokens, std::string_view text) {
  std::unordered_map<std::string, std::vector<std::string_view>> known;
  return presence_with(term, tokens, known, text);
}

std::vector<Candidate> rank(const Question& question, const std::vector<Passage>& passages,
                            const Hints& hints, std::size_t limit) {
  std::vector<Candidate> found;
  if (question.terms.empty() || passages.empty()) return found;
  std::unordered_map<std::string, std::vector<std::string_view>> known;
  const Weights& w = weights;

  std::vector<Tokens> all(passages.size());
  std::string path;
  std::vector<Token> path_tokens, base_tokens;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const Passage& p = passages[i];
    if (p.path != path || i == 0) {
      path = p.path;
      std::string text = path_text(path);
      std::size_t slash = text.rfind('/');
      path_tokens = tokenise(text);
      base_tokens = tokenise(slash == std::string::npos ? std::string_view(text)
                                                        : std::string_view(text).substr(slash + 1));
    }
    all[i].path = path_tokens;
    all[i].basename = base_tokens;
    all[i].tag = tokenise(p.tag);
    all[i].outer = tokenise(p.outer);
    all[i].section = tokenise(p.section);
    for (const Sentence& s : p.sentences) all[i].sentences.push_back(tokenise(s.text));
  }

  // How much a term tells: rare among the passages at hand, and its prior.
  std::vector<double> weight(question.terms.size());
  double total = 0;
  // "Where is the configuration file of X?": with no other subject the common words are the subject.
  std::vector<double> prior;
  bool has_subject = false;
  for (const Term& term : question.terms) {
    prior.push_back(term.weight);
    has_subject = has_subject || (term.weight >= 0.5 && !hints.scope.contains(term.surface));
  }
  if (!has_subject)
    for (double& p : prior)
      if (p < 0.5 && p > 0.3) p = 0.9;
  for (std::size_t t = 0; t < question.terms.size(); ++t) {
    const Term& term = question.terms[t];
    std::size_t seen = 0;
    for (const Tokens& tokens : all) {
      bool here = all_in_row(term.stems, tokens.tag);
      for (const auto& s : tokens.sentences) here = here || all_in_row(term.stems, s);
      seen += here ? 1 : 0;
    }
    double n = static_cast<double>(all.size());
    double idf = std::log((n + 1.0) / (static_cast<double>(seen) + 0.5)) / std::log(n + 2.0);
    weight[t] = prior[t] * (w.rarity_floor + (1.0 - w.rarity_floor) * std::clamp(idf, 0.0, 1.0));
    if (hints.absent.contains(term.surface)) weight[t] = std::max(weight[t], term.weight) * w.absent;
    if (hints.scope.contains(term.surface)) weight[t] = std::max(weight[t], term.weight);
    total += weight[t];
  }

  for (std::size_t i = 0; i < passages.size(); ++i) {
    const Passage& p = passages[i];
    const Tokens& tokens = all[i];
    // Presence per term in each sentence and around.
    std::vector<double> above(question.terms.size(), 0), tagged(question.terms.size(), 0);
    double section_cover = 0;
    std::vector<bool> from_path(question.terms.size(), false);
    std::vector<std::vector<double>> inside(p.sentences.size(),
                                            std::vector<double>(question.terms.size(), 0));
    for (std::size_t t = 0; t < question.terms.size(); ++t) {
      const Term& term = question.terms[t];
      double in_section = presence_with(term, tokens.section, known, p.section);
      section_cover += weight[t] * in_section;
      tagged[t] = presence_with(term, tokens.tag, known, p.tag);
      from_path[t] = in_path(term, tokens.basename) || in_path(term, tokens.path);
      double in_column = 0;
      for (const auto& [head, cell] : p.row)
        in_column = std::max(in_column, w.in_column * presence_with(term, tokenise(head), known, head));
      above[t] = std::max({in_column, w.in_section * in_section,
                           w.in_outer_tag * presence_with(term, tokens.outer, known, p.outer),
                           from_path[t] ? 1.0 : 0.0});
      for (std::size_t s = 0; s < p.sentences.size(); ++s)
        inside[s][t] = presence_with(term, tokens.sentences[s], known, p.sentences[s].text);
    }
    section_cover /= total;
    const bool of_column = asked_cell(question, p) != nullptr;
    // A phrase at the head of a table's row is no entry of a glossary.
    const bool phrase_row = !p.row.empty() && p.tag.find(' ') != std::string::npos && p.tag.front() != '`';
    // The paragraphs next to this one, if they are close.
    std::vector<double> beside(question.terms.size(), 0);
    for (std::size_t o : {i - 1, i + 1}) {
      if (o >= passages.size() || passages[o].path != p.path || passages[o].sentences.empty() ||
          p.sentences.empty())
        continue;
      std::int64_t gap = o < i ? p.sentences.front().line - passages[o].sentences.back().line
                               : passages[o].sentences.front().line - p.sentences.back().line;
      bool same_entry = !p.tag.empty() && passages[o].tag_line == p.tag_line && passages[o].tag == p.tag;
      if (gap > (same_entry ? 8 : 3) || gap < 0) continue;
      const auto& near = o < i ? all[o].sentences.back() : all[o].sentences.front();
      const std::string& text =
          o < i ? passages[o].sentences.back().text : passages[o].sentences.front().text;
      for (std::size_t t = 0; t < question.terms.size(); ++t)
        beside[t] = std::max(beside[t], (same_entry ? w.same_entry : w.next_paragraph) *
                                            presence_with(question.terms[t], near, known, text));
    }
    for (std::size_t s = 0; s < p.sentences.size(); ++s) {
      double coverage = 0, local = 0, missing_entities = 0;
      bool elsewhere = false;
      double subject_total = 0, subject_here = 0;
      std::vector<double> bests(question.terms.size(), 0);
      for (std::size_t t = 0; t < question.terms.size(); ++t) {
        double near = 0;
        for (std::size_t o = 0; o < p.sentences.size(); ++o) {
          std::size_t distance = o > s ? o - s : s - o;
          if (distance > 0 && distance <= 3)
            near = std::max(near, inside[o][t] * (distance == 1 ? w.next_sentence : w.near_sentence));
        }
        double best = std::max({inside[s][t], w.in_tag * tagged[t], above[t], near, beside[t]});
        coverage += weight[t] * best;
        bests[t] = best;
        // The name of the file's subject is understood in each of its sentences.
        double here = std::max(inside[s][t], w.in_tag * tagged[t]);
        local += weight[t] * (from_path[t] ? 1.0 : here);
        if (!from_path[t] && prior[t] >= 0.5)
          subject_total += weight[t], subject_here += weight[t] * std::max({here, near, beside[t], above[t]});
        if (best == 0 && question.terms[t].entity) missing_entities += 1;
        if (best < 0.6 && hints.scope.contains(question.terms[t].surface)) elsewhere = true;
      }
      coverage /= total;
      local /= total;
      // "font size": a size of something else is no answer.
      for (std::size_t t = 0; t + 1 < question.terms.size(); ++t)
        if (bests[t] == 0 && question.terms[t].weight >= 0.9 && question.terms[t + 1].weight >= 0.9 &&
            question.terms[t + 1].position == question.terms[t].position + 1)
          coverage *= w.half_compound;
      if (coverage < 0.2) continue;
      coverage *= std::pow(w.missing_name, missing_entities) * (elsewhere ? w.elsewhere : 1.0);
      // Neighbouring words of the question that are neighbours here too.
      double pairs = 0;
      for (std::size_t t = 0; t + 1 < question.terms.size(); ++t) {
        const Term &a = question.terms[t], &b = question.terms[t + 1];
        if (b.position != a.position + 1 || prior[t] < 0.3 || prior[t + 1] < 0.3) continue;
        std::vector<std::string> both = a.stems;
        both.insert(both.end(), b.stems.begin(), b.stems.end());
        if (all_in_row(both, tokens.sentences[s]) || all_in_row(both, tokens.tag))
          pairs += w.pair * (prior[t] + prior[t + 1]);
      }
      Candidate c{i, s, 0, coverage};
      c.score = coverage + w.local * local + std::min(pairs, 0.3);
      double bonus = type_bonus(question, p, s, section_cover) + (of_column ? w.column : 0);
      // A default of something else is worth little.
      double subject_share = subject_total > 0 ? subject_here / subject_total : 1.0;
      c.score += bonus > 0 ? bonus * (w.bonus_floor + (1.0 - w.bonus_floor) * subject_share) : bonus;
      // A tag that starts with what was asked about: "maxpoll poll", "-l limit".
      if (!tokens.tag.empty() && !question.outcome)
        for (std::size_t t = 0; t < question.terms.size(); ++t) {
          const Term& term = question.terms[t];
          bool leads = term.option
                           ? p.tag.starts_with(term.surface) && has_option(p.tag, term.surface)
                           : tokens.tag.size() >= term.stems.size() &&
                                 std::equal(term.stems.begin(), term.stems.end(), tokens.tag.begin(),
                                            [](const std::string& x, const Token& y) { return x == y.stem; });
          bool wanted = p.tag.front() != '-' || term.option || question.kind == Kind::option ||
                        question.kind == Kind::how_to || question.kind == Kind::default_value ||
                        question.kind == Kind::number;
          if (!leads || !wanted || phrase_row || term.weight < 1.0 || in_path(term, tokens.path)) continue;
          c.score += (term.entity || term.option ? w.tag_leads_name : w.tag_leads_word) +
                     (s == 0 ? w.tag_leads_first : 0);
          break;
        }
      // A tag that is the subject itself, arguments aside: the entry of a glossary, the option asked about.
      if (!tokens.tag.empty() && s == 0 && !question.outcome) {
        std::size_t head = p.tag.find_first_of("<[=(:,", 1);
        std::size_t of_question = 0, of_tag = 0;
        double subject = 0;
        for (const Token& token : tokens.tag) {
          if (head != std::string::npos && token.begin >= head) break;
          ++of_tag;
          for (std::size_t t = 0; t < question.terms.size(); ++t) {
            const auto& stems = question.terms[t].stems;
            if (std::find(stems.begin(), stems.end(), token.stem) == stems.end()) continue;
            ++of_question;
            subject += question.terms[t].weight / static_cast<double>(stems.size());
            break;
          }
        }
        bool wanted =
            p.tag.front() != '-' || question.kind == Kind::option || question.kind == Kind::how_to ||
            std::any_of(question.terms.begin(), question.terms.end(), [](const Term& t) { return t.option; });
        bool explains =
            question.kind == Kind::fact || question.kind == Kind::definition || question.kind == Kind::option;
        if (of_question > 0 && subject >= 0.9 && explains && p.first_of_tag && wanted)
          c.score += w.tag_explained;
        if (of_tag > 0 && of_tag == of_question && wanted && question.kind != Kind::yes_no)
          c.score += w.tag_exact * std::min(1.0, subject / std::max(1.0, question.total_weight()) + 0.2);
      }
      if (!p.tag.empty() && p.tag.front() == '-' && question.kind != Kind::option &&
          question.kind != Kind::how_to && question.kind != Kind::default_value &&
          question.kind != Kind::number &&
          std::none_of(question.terms.begin(), question.terms.end(), [](const Term& t) { return t.option; }))
        c.score += w.option_tag;
      if (phrase_row && !of_column) c.score += w.phrase_row;
      if (p.fragment) c.score += w.fragment;
      if (p.verbatim && question.kind != Kind::how_to) c.score += w.verbatim;
      // Contents, synopses and questions are no answers.
      const std::string& text = p.sentences[s].text;
      if (text.ends_with("?")) c.score += w.question;
      std::string section = lower(p.section);
      bool only_path = subject_total == 0;  // "What does unbound-checkconf do?"
      if (section == "name")
        c.score += only_path && (question.kind == Kind::fact || question.kind == Kind::definition)
                       ? w.name_line
                   : question.kind == Kind::definition ? 0
                                                       : w.name_section;
      if (section == "synopsis" || section == "table of contents") c.score += w.synopsis;
      if (section == "see also") c.score += w.see_also;
      if (question.kind != Kind::how_to &&
          (text.find(" \\ ") != std::string::npos || text.ends_with("\\") || text.starts_with("$ ")))
        c.score += w.code;
      if (tokens.sentences[s].size() < 3 && p.tag.empty() && question.kind != Kind::who &&
          question.kind != Kind::default_value)
        c.score += w.too_short;
      if (p.path.find("copyright") != std::string::npos && question.kind != Kind::who) c.score += w.copyright;
      found.push_back(c);
    }
  }
  std::sort(found.begin(), found.end(), [&](const Candidate& a, const Candidate& b) {
    if (std::abs(a.score - b.score) > 1e-9) return a.score > b.score;
    const Passage &x = passages[a.passage], &y = passages[b.passage];
    if (x.path != y.path) return x.path < y.path;
    return x.sentences[a.sentence].line < y.sentences[b.sentence].line;
  });
  if (found.size() > limit) found.resize(limit);
  return found;
}

std::string default_in(std::string_view s, std::size_t* offset) {
  std::string l = lower(s);
  if (l.size() != s.size()) return {};
  auto clean = [](std::string_view v) {
    while (!v.empty() && std::string_view(" \"'`(<*").find(v.front()) != std::string_view::npos)
      v.remove_prefix(1);
    while (!v.empty() && std::string_view(" \"'`)>*.,;:").find(v.back()) != std::string_view::npos)
      v.remove_suffix(1);
    // "gzip(1" has lost its parenthesis.
    if (std::size_t open = v.find('(');
        open != std::string_view::npos && v.find(')') == std::string_view::npos)
      v = v.substr(0, open);
    return std::string(v);
  };
  auto until = [&](std::size_t at) {
    std::size_t end = at;
    int depth = 0;
    while (end < s.size()) {
      char c = s[end];
      if (c == '(') ++depth;
      if (c == ')' && depth-- == 0) break;
      bool gap = end + 1 >= s.size() || s[end + 1] == ' ' || s[end + 1] == ')';
      if ((c == '.' || c == ',' || c == ';') && gap && depth <= 0) break;
      if (c == ' ' && depth <= 0) {
        std::string_view rest = std::string_view(l).substr(end);
        if (rest.starts_with(" and ") || rest.starts_with(" which ") || rest.starts_with(" but ") ||
            rest.starts_with(" if ") || rest.starts_with(" unless ") || rest.starts_with(" when ") ||
            rest.starts_with(" (") || rest.starts_with(" for ") || rest.starts_with(" see "))
          break;
      }
      ++end;
      if (end - at > 80) break;
    }
    return end;
  };
  for (std::size_t at = l.find("default"); at != std::string::npos; at = l.find("default", at + 7)) {
    std::size_t i = at + 7;
    if (i < l.size() && l[i] == 's') ++i;
    if (i < l.size() && l[i] == ':') {
      std::size_t begin = i + 1;
      std::string value = clean(s.substr(begin, until(begin) - begin));
      if (!value.empty() && value.size() <= 60) {
        if (offset) *offset = begin + 1;
        return value;
      }
    }
    // "default [value|port ...] is|to X"
    std::size_t word = i;
    for (int words = 0; words < 6 && word < l.size() && l[word] == ' '; ++words) {
      std::size_t begin = word + 1, end = l.find(' ', begin);
      if (end == std::string::npos) break;
      std::string_view w = std::string_view(l).substr(begin, end - begin);
      if (w == "is" || w == "to" || w == "are" || w == "was" || w == "=") {
        std::size_t start = end + 1;
        std::string_view rest = std::string_view(l).substr(start);
        for (std::string_view skip : {"set to ", "to ", "the ", "about ", "level "})
          if (rest.starts_with(skip)) {
            if (skip != "level ") start += skip.size();
            rest = std::string_view(l).substr(start);
          }
        std::string value = clean(s.substr(start, until(start) - start));
        static constexpr std::string_view kStates[] = {"disabled", "enabled", "unlimited", "unset"};
        bool participle =
            value.ends_with("ed") && value.find(' ') == std::string::npos &&
            std::find(std::begin(kStates), std::end(kStates), lower(value)) == std::end(kStates);
        if (!value.empty() && value.size() <= 60 && !participle &&
            !(w == "to" && words > 0 && (value.size() > 30))) {
          if (offset) *offset = start;
          return value;
        }
        break;
      }
      if (w.find('.') != std::string_view::npos || w.find(',') != std::string_view::npos) break;
      word = end;
    }
    // "By default, the limit is 3."
    if (l.compare(at >= 3 ? at - 3 : 0, 3, "by ") == 0) {
      std::size_t verb = l.find(" is ", i);
      if (verb == std::string::npos) verb = l.find(" are ", i);
      if (verb != std::string::npos && verb + 4 < s.size()) {
        std::size_t start = verb + (l[verb + 1] == 'a' ? 5 : 4);
        if (l.compare(start, 7, "set to ") == 0) start += 7;
        std::string value = start < s.size() ? clean(s.substr(start, until(start) - start)) : std::string();
        if (!value.empty() && value.size() <= 40 && is_digit(value.front())) {
          if (offset) *offset = start;
          return value;
        }
      }
    }
    // "X (the default)", "X is the default", "(60 default)", "X by default"
    std::size_t back = std::string::npos;
    std::string_view before = std::string_view(l).substr(0, at);
    for (std::string_view form : {" (the ", ", the ", " is the ", " (", " by "})
      if (before.ends_with(form)) {
        back = before.size() - form.size();
        break;
      }
    if (back == std::string::npos && before.ends_with(" ")) {
      std::size_t open = before.rfind('(');
      if (open != std::string_view::npos && at - open < 40 && i < l.size() && l[i] == ')') {
        if (offset) *offset = open + 1;
        return clean(s.substr(open + 1, at - open - 1));
      }
    }
    if (back != std::string::npos && back > 0) {
      std::size_t start = s.rfind(' ', back - 1);
      start = start == std::string_view::npos ? 0 : start + 1;
      std::string value = clean(s.substr(start, back - start));
      if (!value.empty() && value.size() <= 40 && !is_stop_word(lower(value)) &&
          (!before.ends_with(" by ") || has_digit(value))) {
        if (offset) *offset = start;
        return value;
      }
    }
  }
  return {};
}

std::string extract_value(const Question& q, const Passage& p, const Sentence& s, std::size_t* offset) {
  if (const std::string* cell = asked_cell(q, p)) return *cell;
  switch (q.kind) {
    case Kind::default_value:
      return default_in(s.text, offset);
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

std::string compose(const Question& q, const std::vector<Passage>& passages,
                    const std::vector<Candidate>& ranked) {
  if (ranked.empty()) return {};
  const Candidate& best = ranked.front();
  const Passage& p = passages[best.passage];
  const Sentence& s = p.sentences[best.sentence];
  std::size_t offset = 0;
  std::string value = extract_value(q, p, s, &offset);
  std::int64_t line = s.line_of(offset);

  std::string text = s.text;
  std::size_t words = static_cast<std::size_t>(std::count(text.begin(), text.end(), ' ')) + 1;
  if (words < 9 && best.sentence > 0 && !p.sentences[best.sentence - 1].text.ends_with("?"))
    text = p.sentences[best.sentence - 1].text + " " + text;
  // A figure that is named in one of the next two sentences.
  if (value.empty() && (q.kind == Kind::number || q.kind == Kind::default_value) && !has_digit(text)) {
    for (std::size_t next = best.sentence + 1; next < p.sentences.size() && next <= best.sentence + 2;
         ++next) {
      std::string later = default_in(p.sentences[next].text);
      if (later.empty()) continue;
      value = later;
      text += (next > best.sentence + 1 ? " ... " : " ") + p.sentences[next].text;
      break;
    }
  }
  // A short verdict, or a sentence that announces what follows, needs its successor.
  bool announces = text.ends_with(":");
  if ((words < 6 || announces) && best.sentence + 1 < p.sentences.size()) {
    text += " " + p.sentences[best.sentence + 1].text;
  } else if ((announces || (words < 6 && p.tag.empty())) && best.passage + 1 < passages.size() &&
             passages[best.passage + 1].path == p.path) {
    const Passage& next = passages[best.passage + 1];
    if (!next.sentences.empty() && next.sentences.front().line <= s.line + 12)
      text += " " + next.sentences.front().text;
  }
  // A short entry is quoted whole.
  std::size_t length = 0;
  for (const Sentence& each : p.sentences) length += each.text.size() + 1;
  if (!p.tag.empty() && length <= 330 && p.sentences.size() > 1) {
    text.clear();
    for (const Sentence& each : p.sentences) text += (text.empty() ? "" : " ") + each.text;
  }
  // "What does X do?" gets the beginning of its entry.
  if (!p.tag.empty() && best.sentence == 0 && (q.kind == Kind::fact || q.kind == Kind::definition))
    for (std::size_t next = 1;
         next < p.sentences.size() && text == s.text + text.substr(std::min(text.size(), s.text.size())) &&
         text.size() + p.sentences[next].text.size() < 420;
         ++next)
      if (text.find(p.sentences[next].text) == std::string::npos) text += " " + p.sentences[next].text;
  if (text.size() > 700) {
    std::size_t cut = text.rfind(' ', 680);
    text = text.substr(0, cut == std::string::npos ? 680 : cut) + " ...";
  }
  std::string out;
  if (!value.empty() && value != p.tag && !text.starts_with(value)) out += value + ". ";
  if (!p.tag.empty() && !text.starts_with(p.tag)) out += p.tag + ": ";
  out += text;
  out += " (source: " + p.path + ":" + std::to_string(line) + ")";
  return out;
}

}  // namespace beluga::llm::offline_model
