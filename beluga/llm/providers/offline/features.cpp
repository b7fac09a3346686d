#include "beluga/llm/providers/offline/internal/features.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "beluga/llm/providers/offline/internal/reading.hpp"
#include "beluga/llm/providers/offline/internal/values.hpp"

namespace beluga::llm::offline_model {
namespace {

// How much a word counts that stands not in the sentence, but near it or above it.
constexpr double kNextSentence = 0.75, kNearSentence = 0.6, kSameEntry = 0.65, kNextParagraph = 0.45;
constexpr double kInColumn = 0.95, kInUnit = 0.7;
constexpr double kElsewhere = 0.6, kLeastCoverage = 0.15, kLeastAtHome = 0.35;
constexpr std::size_t kUnits = 160;  // that are looked at sentence by sentence

class Extractor {
 public:
  Extractor(const Question& q, const std::vector<Passage>& passages, const Hints& hints)
      : q_(q), passages_(passages), r_(q, passages, hints) {}

  std::vector<Candidate> run() {
    std::vector<Candidate> found;
    for (std::size_t u : promising_units())
      for (std::size_t i = r_.units[u].first; i <= r_.units[u].last; ++i) passage(i, found);
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
  /// The units that are worth a closer look, in the order of the documents.
  std::vector<std::size_t> promising_units() const {
    std::vector<std::size_t> order(r_.units.size());
    for (std::size_t u = 0; u < order.size(); ++u) order[u] = u;
    if (order.size() > kUnits) {
      std::nth_element(order.begin(), order.begin() + kUnits, order.end(), [&](std::size_t a, std::size_t b) {
        if (std::abs(r_.units[a].score - r_.units[b].score) > 1e-12)
          return r_.units[a].score > r_.units[b].score;
        return a < b;
      });
      order.resize(kUnits);
      std::sort(order.begin(), order.end());
    }
    return order;
  }

  /// What the paragraphs next to this one have of the terms, if they are close.
  Presence beside(std::size_t i) const {
    Presence out(r_.terms, 0);
    const Passage& p = passages_[i];
    if (p.sentences.empty()) return out;
    for (std::size_t o : {i - 1, i + 1}) {
      if (o >= passages_.size() || passages_[o].path != p.path || passages_[o].sentences.empty()) continue;
      std::int64_t gap = o < i ? p.sentences.front().line - passages_[o].sentences.back().line
                               : passages_[o].sentences.front().line - p.sentences.back().line;
      bool same_entry = r_.all[o].unit == r_.all[i].unit;
      if (gap > (same_entry ? 8 : 3) || gap < 0) continue;
      const Field& near = o < i ? r_.all[o].sentences.back() : r_.all[o].sentences.front();
      raise_to(out, near.presence, same_entry ? kSameEntry : kNextParagraph);
    }
    return out;
  }

  void passage(std::size_t i, std::vector<Candidate>& found) {
    const Passage& p = passages_[i];
    const PassageFields& f = r_.all[i];
    const FileFields& file = r_.files[f.file];
    Presence above(r_.terms, 0);
    for (std::size_t t = 0; t < r_.terms; ++t) above[t] = file.in_path[t] ? 1.0 : 0.0;
    raise_to(above, r_.labels[f.section].presence, kInSection);
    raise_to(above, r_.labels[f.outer].presence, kInOuter);
    for (const auto& [head, cell] : p.row)
      raise_to(above, r_.matcher.presence(tokenise(head), head), kInColumn);
    const Presence next = beside(i);
    for (std::size_t s = 0; s < p.sentences.size(); ++s) {
      Candidate c;
      c.passage = i;
      c.sentence = s;
      c.unit = f.unit;
      Presence near = next;
      for (std::size_t o = s > 3 ? s - 3 : 0; o < p.sentences.size() && o <= s + 3; ++o)
        if (o != s)
          raise_to(near, f.sentences[o].presence, o + 1 == s || o == s + 1 ? kNextSentence : kNearSentence);
      if (!cover(c, f, above, near)) continue;
      order(c, f);
      entry(c, p, f);
      where(c, p, f, file);
      kind(c, p);
      found.push_back(std::move(c));
    }
  }

  static double& at(Candidate& c, Feature f) { return c.features[static_cast<std::size_t>(f)]; }

  bool cover(Candidate& c, const PassageFields& f, const Presence& above, const Presence& around) {
    const Presence &here = f.sentences[c.sentence].presence, &tagged = r_.labels[f.tag].presence,
                   &section = r_.labels[f.section].presence, &outer = r_.labels[f.outer].presence;
    const Unit& unit = r_.units[f.unit];
    double sentence = 0, exact = 0, tag = 0, either = 0, near = 0, sections = 0, outers = 0, all = 0;
    double head = 0, whole = 0, whole_exact = 0, missing = 0, names = 0;
    bool complete = r_.subject > 0;
    Presence best(r_.terms, 0);
    for (std::size_t t = 0; t < r_.terms; ++t) {
      const double entry = std::max(here[t], 0.95 * tagged[t]);
      const double nearby = std::max(entry, around[t]);
      best[t] = std::max({nearby, above[t], kInUnit * unit.whole[t]});
      all += r_.weight[t] * best[t];
      if (best[t] < 0.3) missing += r_.weight[t];
      if (best[t] < 0.3 && q_.terms[t].entity) names += 1;
      if (r_.scope[t]) continue;
      sentence += r_.weight[t] * here[t];
      exact += here[t] >= 1 || tagged[t] >= 1 ? r_.weight[t] : 0;
      tag += r_.weight[t] * tagged[t];
      either += r_.weight[t] * entry;
      near += r_.weight[t] * nearby;
      sections += r_.weight[t] * section[t];
      outers += r_.weight[t] * outer[t];
      head += r_.weight[t] * unit.head[t];
      whole += r_.weight[t] * unit.whole[t];
      whole_exact += unit.whole[t] >= 1 ? r_.weight[t] : 0;
      if (r_.prior[t] >= 0.5 && entry < 0.5) complete = false;
    }
    double coverage = r_.total > 0 ? all / r_.total : 0;
    if (coverage < kLeastCoverage) return false;
    const double scale = r_.subject > 0 ? 1 / r_.subject : 0;
    at(c, Feature::cover_sentence) = sentence * scale;
    at(c, Feature::cover_exact) = exact * scale;
    at(c, Feature::cover_tag) = tag * scale;
    at(c, Feature::cover_entry) = either * scale;
    at(c, Feature::cover_near) = near * scale;
    at(c, Feature::cover_all) = coverage;
    at(c, Feature::cover_head) = head * scale;
    at(c, Feature::cover_unit) = whole * scale;
    at(c, Feature::unit_exact) = whole_exact * scale;
    at(c, Feature::cover_section) = sections * scale;
    at(c, Feature::cover_outer) = outers * scale;
    at(c, Feature::cover_square) = either * scale * either * scale;
    at(c, Feature::unit_square) = whole * scale * whole * scale;
    at(c, Feature::complete) = complete ? 1 : 0;
    at(c, Feature::bm25) = r_.best_bm25 > 0 ? unit.bm25 / r_.best_bm25 : 0;
    if (r_.rarest < r_.terms) {
      at(c, Feature::rarest_here) = std::max(here[r_.rarest], tagged[r_.rarest]);
      at(c, Feature::rarest_missing) = best[r_.rarest] < 0.3 ? 1 : 0;
    }
    bool elsewhere = false;
    for (std::size_t t = 0; t < r_.terms; ++t) elsewhere = elsewhere || (r_.scope[t] && best[t] < 0.6);
    at(c, Feature::path_elsewhere) = elsewhere ? 1 : 0;
    c.coverage = coverage * (elsewhere ? kElsewhere : 1.0);
    c.missing = r_.total > 0 ? missing / r_.total : 1;
    c.missing_names = names;
    c.unsaid = r_.unsaid;
    c.unknown = r_.unknown;
    c.strength = r_.ideal > 0 ? std::min(1.5, unit.bm25 / r_.ideal) : 0;
    return true;
  }

  /// Words of the question that are together here too.
  void order(Candidate& c, const PassageFields& f) {
    const std::vector<Token>& words = f.sentences[c.sentence].tokens;
    const std::vector<Mark>& marks = f.marks[c.sentence];
    const std::vector<Token>& tags = r_.labels[f.tag].tokens;
    double pairs = 0, pairs_of = 0;
    for (std::size_t t = 0; t + 1 < r_.terms; ++t) {
      const Term &a = q_.terms[t], &b = q_.terms[t + 1];
      if (b.position > a.position + 2 || r_.prior[t] < 0.3 || r_.prior[t + 1] < 0.3) continue;
      pairs_of += r_.prior[t] + r_.prior[t + 1];
      std::vector<std::string> both = a.stems;
      both.insert(both.end(), b.stems.begin(), b.stems.end());
      bool found = all_in_row(both, tags);
      // Marks are in the order of their tokens: only the next few can be near.
      for (std::size_t i = 0, low = 0; !found && i < marks.size(); ++i) {
        if (marks[i].term != t) continue;
        while (marks[low].token + 2 < marks[i].token) ++low;
        for (std::size_t k = low; !found && k < marks.size() && marks[k].token <= marks[i].token + 2; ++k)
          found = marks[k].term == t + 1 && marks[k].token != marks[i].token;
      }
      if (found) pairs += r_.prior[t] + r_.prior[t + 1];
    }
    if (pairs_of > 0) at(c, Feature::pairs) = pairs / pairs_of;
    // The smallest gaps between matches: 1 when they stand side by side.
    double sum = 0, matched = 0;
    const Mark* previous = nullptr;
    std::size_t last = SIZE_MAX;
    for (const Mark& mark : marks) {
      if (r_.scope[mark.term] || r_.prior[mark.term] < 0.3) continue;
      if (mark.token != last) matched += mark.strength;
      last = mark.token;
      if (previous != nullptr && previous->term != mark.term)
        sum += previous->strength * mark.strength /
               static_cast<double>(std::max<std::size_t>(1, mark.token - previous->token));
      previous = &mark;
    }
    at(c, Feature::proximity) = std::min(1.0, sum / 3.0);
    std::size_t content = 0;
    const std::string& text = passages_[c.passage].sentences[c.sentence].text;
    for (const Token& token : words)
      content +=
          token.end <= text.size() &&
                  !is_stop_word(lower(std::string_view(text).substr(token.begin, token.end - token.begin)))
              ? 1
              : 0;
    if (content > 0)
      at(c, Feature::precision) = std::min(1.0, matched / std::sqrt(static_cast<double>(content) * 4.0));
  }

  void entry(Candidate& c, const Passage& p, const PassageFields& f) {
    const Unit& unit = r_.units[f.unit];
    at(c, Feature::unit_first) = c.passage == unit.first && c.sentence == 0 ? 1 : 0;
    const std::vector<Token>& tokens = r_.labels[f.tag].tokens;
    if (tokens.empty()) return;
    at(c, Feature::entry) = 1;
    const bool dashed = p.tag.front() == '-';
    const bool option_asked =
        q_.kind == Kind::option || q_.kind == Kind::how_to || q_.kind == Kind::default_value ||
        q_.kind == Kind::number ||
        std::any_of(q_.terms.begin(), q_.terms.end(), [](const Term& t) { return t.option; });
    if (dashed && !option_asked) at(c, Feature::tag_unasked) = 1;
    // The head of the tag, arguments aside.
    std::size_t head = p.tag.find_first_of("<[=(:,", 1);
    double of_tag = 0, of_question = 0, subject = 0;
    for (const Token& token : tokens) {
      if (head != std::string::npos && token.begin >= head) break;
      ++of_tag;
      double best = 0;
      const Presence here = r_.matcher.presence(
          {{token.stem, 0, static_cast<std::uint32_t>(token.stem.size())}}, token.stem, true);
      for (std::size_t t = 0; t < r_.terms; ++t) {
        if (here[t] <= best) continue;
        best = here[t];
      }
      of_question += best;
      for (std::size_t t = 0; t < r_.terms; ++t) {
        const auto& stems = q_.terms[t].stems;
        if (std::find(stems.begin(), stems.end(), token.stem) == stems.end()) continue;
        subject += r_.weight[t] / static_cast<double>(stems.size());
        break;
      }
    }
    if (of_tag > 0) at(c, Feature::tag_precision) = of_question / of_tag;
    if (of_tag > 0 && of_tag <= of_question + 1e-9 && r_.subject > 0)
      at(c, Feature::tag_exact) = std::min(1.0, subject / r_.subject);
    for (std::size_t t = 0; t < r_.terms; ++t) {
      const Term& term = q_.terms[t];
      bool leads = term.option
                       ? p.tag.starts_with(term.surface) && has_option(p.tag, term.surface)
                       : tokens.size() >= term.stems.size() &&
                             std::equal(term.stems.begin(), term.stems.end(), tokens.begin(),
                                        [](const std::string& x, const Token& y) { return x == y.stem; });
      if (!leads || r_.scope[t] || r_.prior[t] < 0.5) continue;
      at(c, Feature::tag_leads) = 1;
      if (term.entity || term.option) at(c, Feature::tag_name) = 1;
    }
    if (p.first_of_tag && c.sentence == 0) at(c, Feature::tag_first) = at(c, Feature::cover_tag);
    if (p.first_of_tag && c.sentence == 0) at(c, Feature::head_first) = at(c, Feature::cover_head);
  }

  void where(Candidate& c, const Passage& p, const PassageFields& f, const FileFields& file) {
    const std::string& text = p.sentences[c.sentence].text;
    const Field& heading = r_.labels[f.section];
    if (p.first_of_section && c.sentence == 0) at(c, Feature::section_first) = at(c, Feature::cover_section);
    if (!heading.tokens.empty()) {
      double asked = 0;
      for (std::size_t t = 0; t < r_.terms; ++t)
        asked += heading.presence[t] * static_cast<double>(q_.terms[t].stems.size());
      at(c, Feature::section_precision) = std::min(1.0, asked / static_cast<double>(heading.tokens.size()));
    }
    at(c, Feature::path_scope) = file.scoped ? 1 : 0;
    at(c, Feature::page_named) = file.named ? 1 : 0;
    at(c, Feature::base_precision) = file.base_precision;
    at(c, Feature::base_cover) = file.base_cover;
    at(c, Feature::manual_page) = file.manual ? 1 : 0;
    at(c, Feature::example_file) = file.example ? 1 : 0;
    at(c, Feature::prose_file) = file.prose ? 1 : 0;
    at(c, Feature::copyright_file) = file.copyright && q_.kind != Kind::who ? 1 : 0;
    at(c, Feature::first_of_file) = p.sentences[c.sentence].line <= 30 ? 1 : 0;
    const std::size_t words = f.sentences[c.sentence].tokens.size();
    at(c, Feature::short_sentence) = words < 4 && p.tag.empty() && q_.kind != Kind::who ? 1 : 0;
    at(c, Feature::long_sentence) = std::clamp((static_cast<double>(words) - 25.0) / 50.0, 0.0, 1.0);
    at(c, Feature::fragment) = p.fragment ? 1 : 0;
    at(c, Feature::verbatim) = p.verbatim && q_.kind != Kind::how_to ? 1 : 0;
    at(c, Feature::asks) = text.find("? ") != std::string::npos || text.ends_with("?") ? 1 : 0;
    std::string section = lower(p.section);
    // "unbound-checkconf - Check Unbound configuration": the first lines of a manual page, under a heading or
    // not.
    if (r_.subject <= 0 && section != "name" && p.sentences[c.sentence].line <= 12 && file.manual &&
        text.find(" - ") != std::string::npos)
      at(c, Feature::name_wanted) = 1;
    if (section == "name") {
      bool wanted = r_.subject <= 0 && (q_.kind == Kind::fact || q_.kind == Kind::definition);
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
    const double subject =
        r_.subject > 0 ? std::max(at(c, Feature::cover_near), 0.9 * at(c, Feature::cover_unit)) : 1.0;
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
      const bool figure = wants_default ? !value.empty() && !unfit : has_shape(q_.shape, s) && has_digit(s);
      at(c, Feature::value_head) = figure ? at(c, Feature::cover_head) : 0;
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
    if (r_.subject <= 0) return;
    constexpr std::size_t kWithin = 6;
    const std::vector<Token>& words = r_.all[c.passage].sentences[c.sentence].tokens;
    std::vector<bool> near_default(r_.terms, false), near_number(r_.terms, false);
    for (const Mark& mark : r_.all[c.passage].marks[c.sentence]) {
      const std::size_t w = mark.token;
      for (std::size_t o = w > kWithin ? w - kWithin : 0; o < words.size() && o <= w + kWithin; ++o) {
        if (words[o].stem == "default") near_default[mark.term] = true;
        if (words[o].begin < s.size() && is_digit(s[words[o].begin])) near_number[mark.term] = true;
      }
    }
    double by_default = 0, by_number = 0;
    for (std::size_t t = 0; t < r_.terms; ++t) {
      if (r_.scope[t]) continue;
      if (near_default[t]) by_default += r_.weight[t];
      if (near_number[t]) by_number += r_.weight[t];
    }
    if (q_.kind == Kind::default_value) at(c, Feature::default_near) = by_default / r_.subject;
    if (q_.shape == Shape::number || q_.shape == Shape::duration || q_.kind == Kind::number)
      at(c, Feature::number_near) = by_number / r_.subject;
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
    for (std::size_t t = 0; t < r_.terms; ++t) {
      const Term& term = q_.terms[t];
      if (r_.prior[t] < 0.9 || start.size() < from + term.stems.size() + 1) continue;
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
  Reading r_;
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
