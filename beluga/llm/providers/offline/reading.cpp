#include "beluga/llm/providers/offline/internal/reading.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace beluga::llm::offline_model {
namespace {

constexpr double kRarityFloor = 0.4, kAbsent = 1.3;

bool one_of_ends(std::string_view path, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return path.find(part) != std::string_view::npos; });
}

/// "tmux.1", "sshd_config.5": the name of a page in a section of the manual.
bool is_manual_page(std::string_view base) {
  std::size_t dot = base.rfind('.');
  return dot != std::string_view::npos && dot + 1 < base.size() && is_digit(base[dot + 1]) &&
         base.size() - dot <= 10;
}

}  // namespace

void raise_to(Presence& a, const Presence& b, double factor) {
  for (std::size_t t = 0; t < a.size(); ++t) a[t] = std::max(a[t], factor * b[t]);
}

Reading::Reading(const Question& question, const std::vector<Passage>& read, const Hints& known)
    : q(question), passages(read), hints(known), terms(question.terms.size()), matcher(question.terms) {
  read_all();
  weigh_terms();
  measure_files();
  score_units();
}

/// Tags and headings repeat from passage to passage.
std::size_t Reading::label(const std::string& text, bool name, std::size_t previous) {
  if (previous < labels.size() && label_texts_[previous] == text) return previous;
  Field field;
  field.tokens = tokenise(text);
  field.presence = matcher.presence(field.tokens, text, name);
  labels.push_back(std::move(field));
  label_texts_.push_back(text);
  return labels.size() - 1;
}

void Reading::read_all() {
  all.resize(passages.size());
  std::size_t tag = SIZE_MAX, outer = SIZE_MAX, section = SIZE_MAX;
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const Passage& p = passages[i];
    if (files.empty() || files.back().path != p.path) add_file(p.path);
    PassageFields& f = all[i];
    f.file = files.size() - 1;
    f.tag = tag = label(p.tag, true, tag);
    f.outer = outer = label(p.outer, true, outer);
    f.section = section = label(p.section, false, section);
    for (const Sentence& s : p.sentences) {
      Field field;
      std::vector<Mark> marks;
      field.tokens = tokenise(s.text);
      field.presence = matcher.presence(field.tokens, s.text, false, &marks);
      f.sentences.push_back(std::move(field));
      f.marks.push_back(std::move(marks));
    }
    const bool goes_on = i > 0 && !p.tag.empty() && passages[i - 1].path == p.path &&
                         passages[i - 1].tag_line == p.tag_line && passages[i - 1].tag == p.tag;
    if (!goes_on) {
      units.push_back({i, i, Presence(terms, 0), Presence(terms, 0)});
      raise_to(units.back().head, labels[f.tag].presence);
      raise_to(units.back().whole, labels[f.tag].presence);
      if (!f.sentences.empty()) raise_to(units.back().head, f.sentences.front().presence);
    }
    f.unit = units.size() - 1;
    units.back().last = i;
    for (const Field& s : f.sentences) raise_to(units.back().whole, s.presence);
  }
}

void Reading::add_file(const std::string& path) {
  FileFields file;
  file.path = path;
  std::string text = path_text(path);
  std::size_t slash = text.rfind('/');
  std::string_view base = std::string_view(text).substr(slash == std::string::npos ? 0 : slash + 1);
  file.manual = is_manual_page(base);
  if (file.manual) base = base.substr(0, base.rfind('.'));
  file.tokens = tokenise(text);
  file.base = tokenise(base);
  std::string l = lower(path);
  file.copyright = one_of_ends(l, {"copyright", "changelog", "license"});
  file.example = one_of_ends(l, {"example", "sample", "contrib", "test"});
  file.prose = file.manual || one_of_ends(l, {".md", ".txt", ".rst", ".adoc", "readme"});
  files.push_back(std::move(file));
}

/// How much a term tells: rare among the passages at hand, and its prior.
void Reading::weigh_terms() {
  weight.resize(terms);
  scope.resize(terms);
  idf.resize(terms);
  prior.resize(terms);
  bool has_subject = false;
  for (std::size_t t = 0; t < terms; ++t) {
    const Term& term = q.terms[t];
    scope[t] = hints.scope.contains(term.surface);
    prior[t] = term.weight;
    has_subject = has_subject || (term.weight >= 0.5 && !scope[t]);
  }
  // "Where is the configuration file of X?": with no other subject the common words are the subject.
  if (!has_subject)
    for (double& p : prior)
      if (p < 0.5 && p > 0.3) p = 0.9;
  const double n = static_cast<double>(units.size());
  double priors = 0;
  for (std::size_t t = 0; t < terms; ++t) {
    const Term& term = q.terms[t];
    // Where the word itself never stands, the words that may stand for it tell how rare the idea is.
    std::size_t exact = 0, other = 0;
    for (const Unit& unit : units) {
      exact += unit.whole[t] >= 1 ? 1 : 0;
      other += unit.whole[t] >= 0.6 ? 1 : 0;
    }
    const double seen = static_cast<double>(exact > 0 ? exact : other);
    idf[t] = std::log((n + 1.0) / (seen + 0.5));
    double rarity = std::clamp(idf[t] / std::log(n + 2.0), 0.0, 1.0);
    weight[t] = prior[t] * (kRarityFloor + (1.0 - kRarityFloor) * rarity);
    if (hints.absent.contains(term.surface) && other == 0 && term.weight >= 0.9)
      weight[t] = std::max(weight[t], term.weight) * kAbsent;
    if (scope[t]) weight[t] = std::max(weight[t], term.weight);
    total += weight[t];
    if (scope[t]) continue;
    subject += weight[t];
    priors += prior[t];
    if (exact == 0) unsaid += prior[t];
    if (exact + other == 0) unknown += prior[t];
  }
  if (priors > 0) unsaid /= priors, unknown /= priors;
  rarest = terms;
  for (std::size_t t = 0; t < terms; ++t)
    if (!scope[t] && prior[t] >= 0.5 && (rarest == terms || weight[t] > weight[rarest])) rarest = t;
}

void Reading::measure_files() {
  for (FileFields& file : files) {
    file.in_path.resize(terms);
    const std::vector<Token> path = tokenise(file.path);  // "guide.txt" names its file with the extension
    std::size_t known = 0;
    bool any_scope = false, all_scope = true;
    double cover = 0;
    for (std::size_t t = 0; t < terms; ++t) {
      const Term& term = q.terms[t];
      file.in_path[t] =
          in_path(term, file.base) || in_path(term, file.tokens) || all_in_row(term.stems, path);
      if (scope[t]) {
        any_scope = true;
        all_scope = all_scope && file.in_path[t];
      } else if (subject > 0 && all_in_row(term.stems, file.base)) {
        cover += weight[t] / subject;
      }
    }
    // "haproxy.1" in "haproxy/" says no more than its folder.
    const std::size_t above = file.tokens.size() - std::min(file.tokens.size(), file.base.size());
    for (const Token& token : file.base) {
      const bool folder =
          std::any_of(file.tokens.begin(), file.tokens.begin() + static_cast<std::ptrdiff_t>(above),
                      [&](const Token& t) { return t.stem == token.stem; });
      bool asked = !folder && std::any_of(q.terms.begin(), q.terms.end(), [&](const Term& term) {
        return std::find(term.stems.begin(), term.stems.end(), token.stem) != term.stems.end();
      });
      known += asked ? 1 : 0;
    }
    file.base_precision =
        file.base.empty() ? 0 : static_cast<double>(known) / static_cast<double>(file.base.size());
    file.base_cover = cover;
    file.named =
        file.base.size() >= 2 && std::all_of(file.base.begin(), file.base.end(), [&](const Token& token) {
          return std::any_of(q.terms.begin(), q.terms.end(), [&](const Term& term) {
            return std::find(term.stems.begin(), term.stems.end(), token.stem) != term.stems.end();
          });
        });
    file.scoped = any_scope && all_scope;
  }
}

/// Robertson, Zaragoza and Taylor 2004, "Simple BM25 extension to multiple weighted fields", with what a
/// synonym is worth for a term's frequency.
void Reading::score_units() {
  constexpr double k1 = 1.2, b = 0.5, kTag = 3, kHeading = 0.7, kOuter = 0.7;
  std::vector<double> lengths;
  double length = 0, best = 0;
  for (const Unit& unit : units) {
    double n = static_cast<double>(labels[all[unit.first].tag].tokens.size());
    for (std::size_t i = unit.first; i <= unit.last; ++i)
      for (const Field& s : all[i].sentences) n += static_cast<double>(s.tokens.size());
    lengths.push_back(n);
    length += n;
  }
  length /= std::max<double>(1, static_cast<double>(units.size()));
  for (std::size_t u = 0; u < units.size(); ++u) {
    Unit& unit = units[u];
    const PassageFields& f = all[unit.first];
    double perfect = 0, cover = 0;
    for (std::size_t t = 0; t < terms; ++t) {
      const double above = files[f.file].in_path[t] ? 1.0 : 0.0;
      const double around =
          std::max({unit.whole[t], 0.8 * unit.head[t], kInSection * labels[f.section].presence[t],
                    kInOuter * labels[f.outer].presence[t]});
      cover += weight[t] * std::max(around, scope[t] ? above : 0.7 * above);
      if (scope[t]) continue;
      double tf = kTag * labels[f.tag].presence[t] + kHeading * labels[f.section].presence[t] +
                  kOuter * labels[f.outer].presence[t];
      for (std::size_t i = unit.first; i <= unit.last; ++i)
        for (const Field& s : all[i].sentences) tf += s.presence[t];
      const double worth = prior[t] * std::max(0.1, idf[t]);
      perfect += worth * (k1 + 1) * 0.8;
      unit.bm25 += worth * tf * (k1 + 1) / (tf + k1 * (1 - b + b * lengths[u] / length));
    }
    unit.score = (total > 0 ? cover / total : 0) + (perfect > 0 ? 0.5 * unit.bm25 / perfect : 0);
    best = std::max(best, unit.bm25);
    ideal = perfect;
  }
  best_bm25 = best;
}

}  // namespace beluga::llm::offline_model
