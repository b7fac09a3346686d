#include "beluga/llm/providers/offline/internal/features.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_map>

#include "beluga/llm/providers/offline/internal/match.hpp"
#include "beluga/llm/providers/offline/internal/values.hpp"

namespace beluga::llm::offline_model {
namespace {

// How much a word counts that stands not in the sentence, but near it or above it.
constexpr double kNextSentence = 0.75, kNearSentence = 0.6, kSameEntry = 0.65, kNextParagraph = 0.45;
constexpr double kInSection = 0.75, kInOuter = 0.6, kInColumn = 0.95;
// Coverage, which decides whether there is an answer at all.
constexpr double kRarityFloor = 0.4, kAbsent = 1.3, kMissingName = 0.75, kElsewhere = 0.6,
                 kHalfCompound = 0.85;
constexpr double kLeastCoverage = 0.2;
constexpr double kLeastAtHome = 0.35;

struct PassageTokens {
  std::vector<std::vector<Token>> sentences;
  std::vector<Token> tag, outer, section;
  std::size_t file = 0;
};

struct FileTokens {
  std::string path;
  std::vector<Token> tokens, base;
  std::vector<bool> in_path;  ///< by term
  double base_precision = 0, base_cover = 0;
  bool scoped = false, manual = false, example = false, copyright = false;
};

bool one_of_ends(std::string_view path, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return path.find(part) != std::string_view::npos; });
}

/// "tmux.1", "sshd_config.5": the name of a page in a section of the manual.
bool is_manual_page(std::string_view base) {
  std::size_t dot = base.rfind('.');
  return dot != std::string_view::npos && dot + 1 < base.size() && is_digit(base[dot + 1]) &&
         base.size() - dot <= 4;
}

class Extractor {
 public:
  Extractor(const Question& q, const std::vector<Passage>& passages, const Hints& hints)
      : q_(q), passages_(passages), hints_(hints), terms_(q.terms.size()) {}

  std::vector<Candidate> run() {
    tokenise_all();
    weigh_terms();
    measure_files();
    score_bm25();
    std::vector<Candidate> found;
    for (std::size_t i = 0; i < passages_.size(); ++i) passage(i, found);
    // A program that has documents of its own is answered from them, unless they have next to nothing.
    double at_home = 0;
    for (const Candidate& c : found)
      if (c.features[static_cast<std::size_t>(Feature::path_elsewhere)] == 0)
        at_home = std::max(at_home, c.coverage);
    if (at_home >= kLeastAtHome)
      std::erase_if(found, [](const Candidate& c) {
        return c.features[static_cast<std::size_t>(Feature::path_elsewhere)] > 0;
      });
    return found;
  }

 private:
  void tokenise_all() {
    all_.resize(passages_.size());
    for (std::size_t i = 0; i < passages_.size(); ++i) {
      const Passage& p = passages_[i];
      if (files_.empty() || files_.back().path != p.path) {
        FileTokens file;
        file.path = p.path;
        std::string text = path_text(p.path);
        std::size_t slash = text.rfind('/');
        std::string_view base = std::string_view(text).substr(slash == std::string::npos ? 0 : slash + 1);
        file.manual = is_manual_page(base);
        if (file.manual) base = base.substr(0, base.rfind('.'));
        file.tokens = tokenise(text);
        file.base = tokenise(base);
        std::string l = lower(p.path);
        file.copyright = one_of_ends(l, {"copyright", "changelog", "license"});
        file.example = one_of_ends(l, {"example", "sample", "contrib", "test"});
        files_.push_back(std::move(file));
      }
      PassageTokens& t = all_[i];
      t.file = files_.size() - 1;
      t.tag = tokenise(p.tag);
      t.outer = tokenise(p.outer);
      t.section = tokenise(p.section);
      for (const Sentence& s : p.sentences) t.sentences.push_back(tokenise(s.text));
    }
  }

  /// How much a term tells: rare among the passages at hand, and its prior.
  void weigh_terms() {
    weight_.resize(terms_);
    scope_.resize(terms_);
    idf_.resize(terms_);
    prior_.resize(terms_);
    bool has_subject = false;
    for (std::size_t t = 0; t < terms_; ++t) {
      const Term& term = q_.terms[t];
      scope_[t] = hints_.scope.contains(term.surface);
      prior_[t] = term.weight;
      has_subject = has_subject || (term.weight >= 0.5 && !scope_[t]);
    }
    // "Where is the configuration file of X?": with no other subject the common words are the subject.
    if (!has_subject)
      for (double& p : prior_)
        if (p < 0.5 && p > 0.3) p = 0.9;
    const double n = static_cast<double>(all_.size());
    for (std::size_t t = 0; t < terms_; ++t) {
      const Term& term = q_.terms[t];
      std::size_t seen = 0;
      for (const PassageTokens& tokens : all_) {
        bool here = all_in_row(term.stems, tokens.tag);
        for (const auto& s : tokens.sentences) here = here || all_in_row(term.stems, s);
        seen += here ? 1 : 0;
      }
      idf_[t] = std::log((n + 1.0) / (static_cast<double>(seen) + 0.5));
      double rarity = std::clamp(idf_[t] / std::log(n + 2.0), 0.0, 1.0);
      weight_[t] = prior_[t] * (kRarityFloor + (1.0 - kRarityFloor) * rarity);
      if (hints_.absent.contains(term.surface)) weight_[t] = std::max(weight_[t], term.weight) * kAbsent;
      if (scope_[t]) weight_[t] = std::max(weight_[t], term.weight);
      total_ += weight_[t];
      if (!scope_[t]) subject_ += weight_[t];
    }
    rarest_ = terms_;
    for (std::size_t t = 0; t < terms_; ++t)
      if (!scope_[t] && prior_[t] >= 0.5 && (rarest_ == terms_ || weight_[t] > weight_[rarest_])) rarest_ = t;
  }

  void measure_files() {
    for (FileTokens& file : files_) {
      file.in_path.resize(terms_);
      std::size_t known = 0;
      bool any_scope = false, all_scope = true;
      double cover = 0;
      for (std::size_t t = 0; t < terms_; ++t) {
        const Term& term = q_.terms[t];
        file.in_path[t] = in_path(term, file.base) || in_path(term, file.tokens);
        if (scope_[t]) {
          any_scope = true;
          all_scope = all_scope && file.in_path[t];
        } else if (subject_ > 0 && all_in_row(term.stems, file.base)) {
          cover += weight_[t] / subject_;
        }
      }
      for (const Token& token : file.base) {
        bool asked = std::any_of(q_.terms.begin(), q_.terms.end(), [&](const Term& term) {
          return std::find(term.stems.begin(), term.stems.end(), token.stem) != term.stems.end();
        });
        known += asked ? 1 : 0;
      }
      file.base_precision =
          file.base.empty() ? 0 : static_cast<double>(known) / static_cast<double>(file.base.size());
      file.base_cover = cover;
      file.scoped = any_scope && all_scope;
    }
  }

  void score_bm25() {
    constexpr double k1 = 1.2, b = 0.6;
    double length = 0;
    std::vector<double> lengths;
    for (const PassageTokens& p : all_) {
      double n = static_cast<double>(p.tag.size());
      for (const auto& s : p.sentences) n += static_cast<double>(s.size());
      lengths.push_back(n);
      length += n;
    }
    length /= std::max<double>(1, static_cast<double>(all_.size()));
    bm25_.assign(all_.size(), 0);
    double best = 0;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      for (std::size_t t = 0; t < terms_; ++t) {
        if (scope_[t]) continue;
        const Term& term = q_.terms[t];
        double tf = all_in_row(term.stems, all_[i].tag) ? 2 : 0;
        for (const auto& s : all_[i].sentences) tf += all_in_row(term.stems, s) ? 1 : 0;
        if (all_in_row(term.stems, all_[i].section)) tf += 0.5;
        bm25_[i] += prior_[t] * std::max(0.1, idf_[t]) * tf * (k1 + 1) /
                    (tf + k1 * (1 - b + b * lengths[i] / length));
      }
      best = std::max(best, bm25_[i]);
    }
    if (best > 0)
      for (double& score : bm25_) score /= best;
  }

  /// What the paragraphs next to this one have of the terms, if they are close.
  std::vector<double> beside(std::size_t i) {
    std::vector<double> out(terms_, 0);
    const Passage& p = passages_[i];
    if (p.sentences.empty()) return out;
    for (std::size_t o : {i - 1, i + 1}) {
      if (o >= passages_.size() || passages_[o].path != p.path || passages_[o].sentences.empty()) continue;
      std::int64_t gap = o < i ? p.sentences.front().line - passages_[o].sentences.back().line
                               : passages_[o].sentences.front().line - p.sentences.back().line;
      bool same_entry = !p.tag.empty() && passages_[o].tag_line == p.tag_line && passages_[o].tag == p.tag;
      if (gap > (same_entry ? 8 : 3) || gap < 0) continue;
      const auto& near = o < i ? all_[o].sentences.back() : all_[o].sentences.front();
      const std::string& text =
          o < i ? passages_[o].sentences.back().text : passages_[o].sentences.front().text;
      for (std::size_t t = 0; t < terms_; ++t)
        out[t] = std::max(
            out[t], (same_entry ? kSameEntry : kNextParagraph) * matcher_.presence(q_.terms[t], near, text));
    }
    return out;
  }

  void passage(std::size_t i, std::vector<Candidate>& found) {
    const Passage& p = passages_[i];
    const PassageTokens& tokens = all_[i];
    const FileTokens& file = files_[tokens.file];
    std::vector<double> above(terms_, 0), tagged(terms_, 0), section(terms_, 0), outer(terms_, 0);
    std::vector<std::vector<double>> inside(p.sentences.size(), std::vector<double>(terms_, 0));
    bool any = false;
    for (std::size_t t = 0; t < terms_; ++t) {
      const Term& term = q_.terms[t];
      section[t] = matcher_.presence(term, tokens.section, p.section);
      outer[t] = matcher_.presence_in_name(term, tokens.outer, p.outer);
      tagged[t] = matcher_.presence_in_name(term, tokens.tag, p.tag);
      double column = 0;
      for (const auto& [head, cell] : p.row)
        column = std::max(column, kInColumn * matcher_.presence(term, tokenise(head), head));
      above[t] =
          std::max({column, kInSection * section[t], kInOuter * outer[t], file.in_path[t] ? 1.0 : 0.0});
      for (std::size_t s = 0; s < p.sentences.size(); ++s)
        any = (inside[s][t] = matcher_.presence(term, tokens.sentences[s], p.sentences[s].text)) > 0 || any;
      any = any || tagged[t] > 0 || above[t] > 0;
    }
    if (!any) return;
    const std::vector<double> next = beside(i);
    for (std::size_t s = 0; s < p.sentences.size(); ++s) {
      Candidate c;
      c.passage = i;
      c.sentence = s;
      Place place{above, tagged, section, outer, next, inside, std::vector<double>(terms_, 0)};
      for (std::size_t t = 0; t < terms_; ++t)
        for (std::size_t o = 0; o < p.sentences.size(); ++o) {
          std::size_t distance = o > s ? o - s : s - o;
          if (distance > 0 && distance <= 3)
            place.near[t] =
                std::max(place.near[t], inside[o][t] * (distance == 1 ? kNextSentence : kNearSentence));
        }
      if (!cover(c, place)) continue;
      entry(c, p, tokens);
      where(c, p, tokens, file);
      kind(c, p);
      found.push_back(std::move(c));
    }
  }

  struct Place {
    const std::vector<double>&above, &tagged, &section, &outer, &beside;
    const std::vector<std::vector<double>>& inside;
    std::vector<double> near;
  };

  static double& at(Candidate& c, Feature f) { return c.features[static_cast<std::size_t>(f)]; }

  bool cover(Candidate& c, const Place& place) {
    const std::vector<double>& here = place.inside[c.sentence];
    double sentence = 0, tag = 0, either = 0, near = 0, sections = 0, outers = 0, all = 0, missing_names = 0;
    bool complete = subject_ > 0;
    std::vector<double> best(terms_, 0);
    for (std::size_t t = 0; t < terms_; ++t) {
      double entry = std::max(here[t], 0.95 * place.tagged[t]);
      double around = std::max({entry, place.near[t], place.beside[t]});
      best[t] = std::max(around, place.above[t]);
      all += weight_[t] * best[t];
      if (best[t] == 0 && q_.terms[t].entity) missing_names += 1;
      if (scope_[t]) continue;
      sentence += weight_[t] * here[t];
      tag += weight_[t] * place.tagged[t];
      either += weight_[t] * entry;
      near += weight_[t] * around;
      sections += weight_[t] * place.section[t];
      outers += weight_[t] * place.outer[t];
      if (prior_[t] >= 0.5 && entry < 0.5) complete = false;
    }
    double coverage = total_ > 0 ? all / total_ : 0;
    if (coverage < kLeastCoverage) return false;
    const double scale = subject_ > 0 ? 1 / subject_ : 0;
    at(c, Feature::cover_sentence) = sentence * scale;
    at(c, Feature::cover_tag) = tag * scale;
    at(c, Feature::cover_entry) = either * scale;
    at(c, Feature::cover_near) = near * scale;
    at(c, Feature::cover_all) = coverage;
    at(c, Feature::cover_section) = sections * scale;
    at(c, Feature::cover_outer) = outers * scale;
    at(c, Feature::cover_square) = either * scale * either * scale;
    at(c, Feature::complete) = complete ? 1 : 0;
    at(c, Feature::bm25) = bm25_[c.passage];
    if (rarest_ < terms_) {
      at(c, Feature::rarest_here) = std::max(here[rarest_], place.tagged[rarest_]);
      at(c, Feature::rarest_missing) = best[rarest_] < 0.3 ? 1 : 0;
    }
    // "font size": a size of something else is no answer.
    for (std::size_t t = 0; t + 1 < terms_; ++t)
      if (best[t] == 0 && q_.terms[t].weight >= 0.9 && q_.terms[t + 1].weight >= 0.9 &&
          q_.terms[t + 1].position == q_.terms[t].position + 1)
        coverage *= kHalfCompound;
    bool elsewhere = false;
    for (std::size_t t = 0; t < terms_; ++t) elsewhere = elsewhere || (scope_[t] && best[t] < 0.6);
    at(c, Feature::path_elsewhere) = elsewhere ? 1 : 0;
    c.coverage = coverage * std::pow(kMissingName, missing_names) * (elsewhere ? kElsewhere : 1.0);

    // Words of the question that are together here too.
    const std::vector<Token>& words = all_[c.passage].sentences[c.sentence];
    const std::vector<Token>& tags = all_[c.passage].tag;
    double pairs = 0, pairs_of = 0;
    for (std::size_t t = 0; t + 1 < terms_; ++t) {
      const Term &a = q_.terms[t], &b = q_.terms[t + 1];
      if (b.position > a.position + 2 || prior_[t] < 0.3 || prior_[t + 1] < 0.3) continue;
      std::vector<std::string> both = a.stems;
      both.insert(both.end(), b.stems.begin(), b.stems.end());
      pairs_of += prior_[t] + prior_[t + 1];
      if (all_in_row(both, words) || all_in_row(both, tags)) pairs += prior_[t] + prior_[t + 1];
    }
    if (pairs_of > 0) at(c, Feature::pairs) = pairs / pairs_of;
    std::vector<std::size_t> places;
    for (std::size_t w = 0; w < words.size(); ++w)
      for (std::size_t t = 0; t < terms_; ++t)
        if (!scope_[t] && prior_[t] >= 0.3 &&
            std::find(q_.terms[t].stems.begin(), q_.terms[t].stems.end(), words[w].stem) !=
                q_.terms[t].stems.end()) {
          places.push_back(w);
          break;
        }
    if (places.size() >= 2) {
      // The smallest gaps between matches: 1 when they stand side by side.
      double sum = 0;
      for (std::size_t k = 1; k < places.size(); ++k)
        sum += 1.0 / static_cast<double>(std::max<std::size_t>(1, places[k] - places[k - 1]));
      at(c, Feature::proximity) = std::min(1.0, sum / 3.0);
    }
    std::size_t content = 0;
    const std::string& text = passages_[c.passage].sentences[c.sentence].text;
    for (const Token& token : words)
      content +=
          token.end <= text.size() &&
                  !is_stop_word(lower(std::string_view(text).substr(token.begin, token.end - token.begin)))
              ? 1
              : 0;
    if (content > 0)
      at(c, Feature::precision) =
          std::min(1.0, static_cast<double>(places.size()) / std::sqrt(static_cast<double>(content) * 4.0));
    return true;
  }

  void entry(Candidate& c, const Passage& p, const PassageTokens& tokens) {
    if (tokens.tag.empty()) return;
    const bool dashed = p.tag.front() == '-';
    const bool option_asked =
        q_.kind == Kind::option || q_.kind == Kind::how_to || q_.kind == Kind::default_value ||
        q_.kind == Kind::number ||
        std::any_of(q_.terms.begin(), q_.terms.end(), [](const Term& t) { return t.option; });
    if (dashed && !option_asked) at(c, Feature::tag_unasked) = 1;
    // The head of the tag, arguments aside.
    std::size_t head = p.tag.find_first_of("<[=(:,", 1);
    std::size_t of_tag = 0, of_question = 0;
    double subject = 0;
    for (const Token& token : tokens.tag) {
      if (head != std::string::npos && token.begin >= head) break;
      ++of_tag;
      for (std::size_t t = 0; t < terms_; ++t) {
        const auto& stems = q_.terms[t].stems;
        if (std::find(stems.begin(), stems.end(), token.stem) == stems.end()) continue;
        ++of_question;
        subject += weight_[t] / static_cast<double>(stems.size());
        break;
      }
    }
    if (of_tag > 0)
      at(c, Feature::tag_precision) = static_cast<double>(of_question) / static_cast<double>(of_tag);
    if (of_tag > 0 && of_tag == of_question && subject_ > 0)
      at(c, Feature::tag_exact) = std::min(1.0, subject / subject_);
    for (std::size_t t = 0; t < terms_; ++t) {
      const Term& term = q_.terms[t];
      bool leads = term.option
                       ? p.tag.starts_with(term.surface) && has_option(p.tag, term.surface)
                       : tokens.tag.size() >= term.stems.size() &&
                             std::equal(term.stems.begin(), term.stems.end(), tokens.tag.begin(),
                                        [](const std::string& x, const Token& y) { return x == y.stem; });
      if (!leads || scope_[t] || prior_[t] < 0.5) continue;
      at(c, Feature::tag_leads) = 1;
      if (term.entity || term.option) at(c, Feature::tag_name) = 1;
    }
    if (p.first_of_tag && c.sentence == 0) at(c, Feature::tag_first) = at(c, Feature::cover_tag);
  }

  void where(Candidate& c, const Passage& p, const PassageTokens& tokens, const FileTokens& file) {
    const std::string& text = p.sentences[c.sentence].text;
    if (p.first_of_section && c.sentence == 0) at(c, Feature::section_first) = at(c, Feature::cover_section);
    if (!tokens.section.empty()) {
      std::size_t asked = 0;
      for (const Token& token : tokens.section)
        asked += std::any_of(q_.terms.begin(), q_.terms.end(),
                             [&](const Term& term) {
                               return std::find(term.stems.begin(), term.stems.end(), token.stem) !=
                                      term.stems.end();
                             })
                     ? 1
                     : 0;
      at(c, Feature::section_precision) =
          static_cast<double>(asked) / static_cast<double>(tokens.section.size());
    }
    at(c, Feature::path_scope) = file.scoped ? 1 : 0;
    at(c, Feature::base_precision) = file.base_precision;
    at(c, Feature::base_cover) = file.base_cover;
    at(c, Feature::manual_page) = file.manual ? 1 : 0;
    at(c, Feature::example_file) = file.example ? 1 : 0;
    at(c, Feature::copyright_file) = file.copyright && q_.kind != Kind::who ? 1 : 0;
    at(c, Feature::first_of_file) = p.sentences[c.sentence].line <= 30 ? 1 : 0;
    const std::size_t words = tokens.sentences[c.sentence].size();
    at(c, Feature::short_sentence) = words < 4 && p.tag.empty() && q_.kind != Kind::who ? 1 : 0;
    at(c, Feature::long_sentence) = std::clamp((static_cast<double>(words) - 25.0) / 50.0, 0.0, 1.0);
    at(c, Feature::fragment) = p.fragment ? 1 : 0;
    at(c, Feature::verbatim) = p.verbatim && q_.kind != Kind::how_to ? 1 : 0;
    at(c, Feature::asks) = text.find("? ") != std::string::npos || text.ends_with("?") ? 1 : 0;
    std::string section = lower(p.section);
    // "unbound-checkconf - Check Unbound configuration": the first lines of a manual page, under a heading or
    // not.
    if (subject_ <= 0 && section != "name" && p.sentences[c.sentence].line <= 12 && file.manual &&
        text.find(" - ") != std::string::npos)
      at(c, Feature::name_wanted) = 1;
    if (section == "name") {
      bool wanted = subject_ <= 0 && (q_.kind == Kind::fact || q_.kind == Kind::definition);
      at(c, wanted ? Feature::name_wanted : Feature::name_section) = 1;
    }
    at(c, Feature::synopsis) = section == "synopsis" || section == "table of contents" ? 1 : 0;
    at(c, Feature::see_also) = section == "see also" ? 1 : 0;
    at(c, Feature::code_line) = q_.kind != Kind::how_to && (text.find(" \\ ") != std::string::npos ||
                                                            text.ends_with("\\") || text.starts_with("$ "))
                                    ? 1
                                    : 0;
    bool column = asked_cell(q_, p) != nullptr;
    at(c, Feature::column) = column ? 1 : 0;
    at(c, Feature::phrase_row) =
        !column && !p.row.empty() && p.tag.find(' ') != std::string::npos && p.tag.front() != '`' ? 1 : 0;
  }

  /// One of the next two sentences names a default.
  static bool later_default(const Passage& p, std::size_t index) {
    for (std::size_t i = index + 1; i < p.sentences.size() && i <= index + 2; ++i)
      if (std::string value = default_in(p.sentences[i].text); !value.empty() && has_digit(value))
        return true;
    return false;
  }

  void kind(Candidate& c, const Passage& p) {
    const std::string& s = p.sentences[c.sentence].text;
    const double subject = subject_ > 0 ? at(c, Feature::cover_near) : 1.0;
    if (q_.shape != Shape::any) {
      bool here = has_shape(q_.shape, s), tag = !p.tag.empty() && has_shape(q_.shape, p.tag);
      if (q_.shape == Shape::option || q_.shape == Shape::identifier) tag = tag || code_like(p.tag);
      at(c, Feature::shape_free) = here || tag ? 1 : 0;
      at(c, Feature::shape_here) = here || tag ? subject : 0;
      at(c, Feature::shape_tag) = tag ? 1 : 0;
      at(c, Feature::shape_missing) = here || tag ? 0 : 1;
    }
    const bool wants_default = q_.kind == Kind::default_value;
    if (wants_default || q_.kind == Kind::number) {
      std::string value = default_in(s);
      if (const std::string* cell = wants_default && value.empty() ? asked_cell(q_, p) : nullptr)
        value = *cell;
      bool unfit = !value.empty() && q_.shape != Shape::any && !has_shape(q_.shape, value) &&
                   !(q_.shape == Shape::duration && has_digit(value));
      if (wants_default) {
        bool fits = !value.empty() && !unfit;
        bool word = contains_word(s, "default") || contains_word(s, "defaults");
        at(c, Feature::default_value) = fits ? subject : 0;
        at(c, Feature::default_free) = fits ? 1 : 0;
        at(c, Feature::default_unfit) = unfit ? 1 : 0;
        at(c, Feature::default_later) = value.empty() && later_default(p, c.sentence) ? 1 : 0;
        at(c, Feature::default_word) = value.empty() && word ? 1 : 0;
        at(c, Feature::default_none) = value.empty() && !word ? 1 : 0;
      } else {
        at(c, Feature::number_default) = !value.empty() && !unfit ? subject : 0;
      }
    }
    if (wants_default || q_.kind == Kind::number || q_.shape == Shape::number || q_.shape == Shape::duration)
      near_value(c, s);
    if (q_.shape == Shape::path) {
      std::string path = first_path(s);
      at(c, Feature::path_rooted) =
          !path.empty() && std::string_view("/~$").find(path.front()) != std::string_view::npos ? 1 : 0;
    }
    switch (q_.kind) {
      case Kind::who: {
        if (!has_person(s)) break;
        std::string above = lower(p.section + " " + p.tag);
        for (std::string_view cue : {"author", "authors", "maintainer", "maintainers"})
          if (contains_word(above, cue)) at(c, Feature::who_section) = 1;
        for (std::string_view cue : {"author", "authors", "written by", "wrote", "maintained by",
                                     "maintainer", "creator", "developed by", "created by"})
          if (contains_word(s, cue)) at(c, Feature::who_named) = 1;
        if (contains_word(s, "copyright")) at(c, Feature::who_copyright) = 1;
        break;
      }
      case Kind::option: {
        bool dashed =
            s.find(" -") != std::string::npos || s.starts_with("-") || s.find('`') != std::string::npos;
        at(c, Feature::option_entry) = code_like(p.tag) ? 1 : 0;
        at(c, Feature::option_dash) = dashed ? 1 : 0;
        break;
      }
      case Kind::how_to: {
        bool code = code_like(p.tag) || s.find(" --") != std::string::npos ||
                    s.find('`') != std::string::npos || p.verbatim || s.ends_with(":");
        at(c, Feature::how_code) = code ? 1 : 0;
        at(c, Feature::how_section) = at(c, Feature::section_first);
        break;
      }
      case Kind::yes_no: {
        std::string head = lower(s.substr(0, 5));
        at(c, Feature::verdict) = head.starts_with("yes") || head.starts_with("no,") ||
                                          head.starts_with("no.") || head.starts_with("no ")
                                      ? 1
                                      : 0;
        at(c, Feature::faq) = at(c, Feature::section_first);
        break;
      }
      case Kind::fact:
        if (q_.outcome)
          for (std::string_view cue :
               {"error", "fail", "fails", "exit", "exits", "end", "ends", "stop", "stops", "refused",
                "rejected", "ignored", "exhausted", "when", "if", "once"})
            if (contains_word(s, cue)) at(c, Feature::outcome) = 1;
        break;
      case Kind::definition:
        define(c, s);
        break;
      default:
        break;
    }
  }

  /// How much of the subject stands within a few words of "default", and of a figure.
  void near_value(Candidate& c, const std::string& s) {
    if (subject_ <= 0) return;
    constexpr std::size_t kWithin = 6;
    const std::vector<Token>& words = all_[c.passage].sentences[c.sentence];
    double by_default = 0, by_number = 0;
    for (std::size_t t = 0; t < terms_; ++t) {
      if (scope_[t]) continue;
      bool near_default = false, near_number = false;
      for (std::size_t w = 0; w < words.size(); ++w) {
        const auto& stems = q_.terms[t].stems;
        if (std::find(stems.begin(), stems.end(), words[w].stem) == stems.end()) continue;
        for (std::size_t o = w > kWithin ? w - kWithin : 0; o < words.size() && o <= w + kWithin; ++o) {
          near_default = near_default || words[o].stem == "default";
          near_number = near_number || (words[o].begin < s.size() && is_digit(s[words[o].begin]));
        }
      }
      if (near_default) by_default += weight_[t];
      if (near_number) by_number += weight_[t];
    }
    if (q_.kind == Kind::default_value) at(c, Feature::default_near) = by_default / subject_;
    if (q_.shape == Shape::number || q_.shape == Shape::duration || q_.kind == Kind::number)
      at(c, Feature::number_near) = by_number / subject_;
  }

  void define(Candidate& c, const std::string& s) {
    at(c, Feature::first_sentence) = c.sentence == 0 ? 1 : 0;
    at(c, Feature::is_a) = s.find(" is a") != std::string::npos || s.find(" are ") != std::string::npos ||
                                   s.find(" is the ") != std::string::npos
                               ? 1
                               : 0;
    std::vector<Token> start = tokenise(std::string_view(s).substr(0, 80));
    std::size_t from =
        !start.empty() && (start[0].stem == "a" || start[0].stem == "an" || start[0].stem == "the") ? 1 : 0;
    for (std::size_t t = 0; t < terms_; ++t) {
      const Term& term = q_.terms[t];
      if (prior_[t] < 0.9 || start.size() < from + term.stems.size() + 1) continue;
      if (!std::equal(term.stems.begin(), term.stems.end(), start.begin() + static_cast<std::ptrdiff_t>(from),
                      [](const std::string& x, const Token& y) { return x == y.stem; }))
        continue;
      const std::string& verb = start[from + term.stems.size()].stem;
      bool is = verb == "is" || verb == "ar" || verb == "are" || verb == "mean" || verb == "refer";
      at(c, is ? Feature::defines : Feature::starts_with) = 1;
      break;
    }
  }

  const Question& q_;
  const std::vector<Passage>& passages_;
  const Hints& hints_;
  const std::size_t terms_;
  Matcher matcher_;
  std::vector<PassageTokens> all_;
  std::vector<FileTokens> files_;
  std::vector<double> weight_, prior_, idf_, bm25_;
  std::vector<bool> scope_;
  double total_ = 0, subject_ = 0;
  std::size_t rarest_ = 0;
};

}  // namespace

Group group_of(const Question& question) noexcept {
  switch (question.kind) {
    case Kind::definition:
      return Group::explain;
    case Kind::fact:
      return contains_word(question.text, "what") && contains_word(question.text, "does") ? Group::explain
                                                                                          : Group::say;
    case Kind::default_value:
    case Kind::number:
    case Kind::when:
      return Group::value;
    case Kind::option:
    case Kind::place:
    case Kind::who:
      return Group::find;
    case Kind::how_to:
      return Group::how;
    case Kind::yes_no:
      break;
  }
  return Group::say;
}

std::vector<Candidate> candidates(const Question& question, const std::vector<Passage>& passages,
                                  const Hints& hints) {
  if (question.terms.empty() || passages.empty()) return {};
  return Extractor(question, passages, hints).run();
}

}  // namespace beluga::llm::offline_model
