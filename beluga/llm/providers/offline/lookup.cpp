#include "beluga/llm/providers/offline/internal/lookup.hpp"

#include <algorithm>
#include <map>

#include "beluga/llm/providers/offline/internal/match.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {
namespace {

bool differ(double a, double b) {
  return a - b > 1e-9 || b - a > 1e-9;
}

constexpr std::size_t kSurveyTerms = 5;
constexpr std::size_t kNarrowFiles = 12;
constexpr std::size_t kReadWindows = 24;
// Files that are read whole: a passage is best judged among all that its manual says.
constexpr std::size_t kWholeFiles = 60;
constexpr std::int64_t kWholeBytes = 1200 * 1024, kUnknownSize = 40 * 1024;
constexpr std::int64_t kChunkLines = 2000;
constexpr std::size_t kMostChunks = 60;            // of one file
constexpr std::size_t kMaxPattern = 900;           // tools limit a query
constexpr std::int64_t kBefore = 14, kAfter = 18;  // lines read around a hit

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

/// The part of a word that its inflections share: "directories" and "directory" start with "director".
std::string common_start(std::string_view surface, std::string_view stem) {
  std::string w = lower(surface);
  std::size_t n = 0;
  while (n < w.size() && n < stem.size() && w[n] == stem[n]) ++n;
  if (n == stem.size() && n > 3 && stem.back() == 'i') --n;  // the stem of "repository" ends with i
  return n >= 3 ? w.substr(0, n) : w;
}

const Json* parameter(const ToolView& tool, const std::string& name) {
  const Json* props = tool.schema->parameters.find("properties");
  return props == nullptr ? nullptr : props->find(name);
}

std::int64_t bounded(const ToolView& tool, const std::string& name, std::int64_t want) {
  if (const Json* p = parameter(tool, name)) {
    want = std::min(want, p->int_or("maximum", want));
    want = std::max(want, p->int_or("minimum", want));
  }
  return want;
}

bool is_required(const ToolView& tool, std::string_view name) {
  const Json* required = tool.schema->parameters.find("required");
  if (required == nullptr) return false;
  for (const Json& item : required->items())
    if (item.is_string() && item.as_string() == name) return true;
  return false;
}

struct FileScore {
  std::string path;
  double score = 0;
};

double path_score(const Question& q, Matcher& matcher, const std::string& path) {
  std::vector<Token> tokens = tokenise(path);
  std::size_t slash = path.rfind('/');
  std::string_view base =
      slash == std::string::npos ? std::string_view(path) : std::string_view(path).substr(slash + 1);
  const Presence whole = matcher.presence(tokens, path), name = matcher.presence(tokenise(base), base);
  double score = 0;
  for (std::size_t t = 0; t < q.terms.size(); ++t) {
    if (name[t] >= 1)
      score += 2.2 * q.terms[t].weight;
    else if (whole[t] >= 1 || in_path(q.terms[t], tokens))
      score += 1.8 * q.terms[t].weight;
  }
  return score;
}

/// Whether a path is of the program that is asked about; all are where none is named.
bool in_scope(const Question& q, const Hints& hints, const std::string& path) {
  const std::vector<Token> tokens = tokenise(path_text(path));
  return std::all_of(q.terms.begin(), q.terms.end(), [&](const Term& term) {
    return !hints.scope.contains(term.surface) || in_path(term, tokens);
  });
}

std::vector<FileScore> promising(const Question& q, const Known& known, std::size_t limit) {
  Matcher matcher(q.terms);
  std::map<std::string, double> scores;
  const bool scoped = !known.hints.scope.empty() &&
                      std::any_of(known.listing.begin(), known.listing.end(),
                                  [&](const std::string& path) { return in_scope(q, known.hints, path); });
  for (const std::string& path : known.listing)
    if (!path.ends_with("/"))
      if (double score = path_score(q, matcher, path); score > 0) scores[path] = score;
  for (const auto& [path, lines] : known.evidence.documents) {
    if (path == kGivenText) continue;  // no tool has it
    std::size_t budget = 60;
    double score = path_score(q, matcher, path);
    Presence best(q.terms.size(), 0);
    double line_best = 0;
    for (const auto& [number, text] : lines) {
      if (budget-- == 0) break;
      const Presence here = matcher.presence(tokenise(text), text);
      double sum = 0;
      for (std::size_t t = 0; t < q.terms.size(); ++t) {
        best[t] = std::max(best[t], here[t]);
        sum += here[t] * q.terms[t].weight;
      }
      line_best = std::max(line_best, sum);
    }
    for (std::size_t t = 0; t < q.terms.size(); ++t) score += best[t] * q.terms[t].weight;
    score += 0.8 * line_best;
    scores[path] = std::max(scores[path], score);
  }
  std::vector<FileScore> out;
  for (auto& [path, score] : scores) {
    double s = score;
    std::string base = lower(path);
    if (base.ends_with("copyright") || base.find("changelog") != std::string::npos)
      s -= q.kind == Kind::who ? 0 : 1.0;
    if (scoped && !in_scope(q, known.hints, path)) continue;
    out.push_back({path, s});
  }
  std::sort(out.begin(), out.end(), [](const FileScore& a, const FileScore& b) {
    if (differ(a.score, b.score)) return a.score > b.score;
    if (a.path.size() != b.path.size()) return a.path.size() < b.path.size();
    return a.path < b.path;
  });
  if (out.size() > limit) out.resize(limit);
  return out;
}

/// A line that starts with the subject may explain it: the entry of a glossary, an option, a key.
double leading(const Question& q, std::string_view line) {
  if (std::size_t anchor = line.find("]]"); line.starts_with("[[") && anchor != std::string_view::npos)
    line.remove_prefix(anchor + 2);
  std::vector<Token> tokens = tokenise(line.substr(0, 160));
  double lead = 0;
  for (std::size_t i = 0; i < tokens.size() && i < 3; ++i) {
    auto term = std::find_if(q.terms.begin(), q.terms.end(), [&](const Term& t) {
      return std::find(t.stems.begin(), t.stems.end(), tokens[i].stem) != t.stems.end();
    });
    if (term == q.terms.end()) break;
    lead += 0.3 * term->weight / static_cast<double>(term->stems.size());
  }
  return lead;
}

struct Window {
  std::string path;
  std::int64_t from = 0, to = 0;
  double score = 0;
};

/// The places with most of the question's words close together.
std::vector<Window> windows(const Question& q, const Known& known, std::size_t limit) {
  Matcher matcher(q.terms);
  std::vector<Window> all;
  struct Line {
    std::int64_t number;
    std::vector<double> presence;
    double lead = 0;
  };
  std::vector<double> counts(q.terms.size(), 0);
  std::map<std::string, std::vector<Line>> lines;
  std::map<std::string, std::vector<double>> in_path;
  double n = 0;
  for (const auto& [path, known_lines] : known.evidence.documents) {
    if (known.begun.contains(path)) continue;  // is read whole
    std::vector<Token> path_tokens = tokenise(path);
    std::vector<double>& p = in_path[path];
    for (double here : matcher.presence(path_tokens, path)) p.push_back(here >= 1 ? 0.9 : 0);
    for (const auto& [number, text] : known_lines) {
      Line line{number, matcher.presence(tokenise(text), text), 0};
      bool any = false;
      line.lead = leading(q, text);
      for (std::size_t t = 0; t < q.terms.size(); ++t) {
        counts[t] += line.presence[t] >= 0.6 ? 1 : 0;
        any = any || line.presence[t] > 0;
      }
      n += 1;
      if (any) lines[path].push_back(std::move(line));
    }
  }
  bool wants_default = q.kind == Kind::default_value;
  for (const auto& [path, hits] : lines) {
    const std::vector<double>& from_path = in_path[path];
    std::vector<Window> here;
    for (std::size_t i = 0; i < hits.size(); ++i) {
      std::vector<double> best(q.terms.size(), 0);
      for (std::size_t j = i; j-- > 0 && hits[i].number - hits[j].number <= 6;)
        for (std::size_t t = 0; t < best.size(); ++t) best[t] = std::max(best[t], 0.85 * hits[j].presence[t]);
      for (std::size_t j = i + 1; j < hits.size() && hits[j].number - hits[i].number <= 6; ++j)
        for (std::size_t t = 0; t < best.size(); ++t) best[t] = std::max(best[t], 0.85 * hits[j].presence[t]);
      double score = 0;
      for (std::size_t t = 0; t < best.size(); ++t) {
        double rarity = 1.0 / (1.0 + counts[t] / (12.0 + n / 25.0));
        score += q.terms[t].weight * (0.4 + 0.6 * rarity) *
                 (std::max({best[t], hits[i].presence[t], from_path[t]}) + 0.15 * hits[i].presence[t]);
      }
      score += hits[i].lead;
      if (wants_default) {
        auto text = known.evidence.documents.at(path).find(hits[i].number);
        if (text != known.evidence.documents.at(path).end() &&
            lower(text->second).find("default") != std::string::npos)
          score += 0.3;
      }
      if (std::string base = lower(path); base.ends_with("copyright") && q.kind != Kind::who) score -= 0.8;
      here.push_back({path, hits[i].number, hits[i].number, score});
    }
    std::sort(here.begin(), here.end(), [](const Window& a, const Window& b) {
      return a.score != b.score ? a.score > b.score : a.from < b.from;
    });
    // Not every line of one cluster.
    std::vector<Window> kept;
    for (const Window& w : here) {
      bool near = std::any_of(kept.begin(), kept.end(),
                              [&](const Window& k) { return std::abs(k.from - w.from) < kAfter; });
      if (!near) kept.push_back(w);
      if (kept.size() >= limit) break;
    }
    all.insert(all.end(), kept.begin(), kept.end());
  }
  std::sort(all.begin(), all.end(), [](const Window& a, const Window& b) {
    if (differ(a.score, b.score)) return a.score > b.score;
    return a.path != b.path ? a.path < b.path : a.from < b.from;
  });
  if (all.size() > limit) all.resize(limit);
  for (Window& w : all) {
    w.from = std::max<std::int64_t>(1, w.from - kBefore);
    w.to += kAfter;
  }
  // Overlapping ones become one.
  std::vector<Window> merged;
  for (const Window& w : all) {
    auto it = std::find_if(merged.begin(), merged.end(), [&](const Window& m) {
      return m.path == w.path && m.from <= w.to + 1 && w.from <= m.to + 1;
    });
    if (it == merged.end())
      merged.push_back(w);
    else
      it->from = std::min(it->from, w.from), it->to = std::max(it->to, w.to);
  }
  return merged;
}

}  // namespace

Planner::Planner(const State& state, const Known& k) : s(state), known(k) {
  for (const Done& call : s.calls) made_.insert(call.name + call.arguments.dump());
}

bool Planner::call(const ToolView& tool, Json arguments) {
  std::string text = arguments.dump();
  if (!made_.insert(tool.schema->name + text).second) return false;
  calls.push_back({"call_" + std::to_string(s.calls_before + s.calls.size() + calls.size() + 1),
                   tool.schema->name, std::move(text)});
  return true;
}

bool Planner::search(const ToolView& tool, const std::string& pattern, const std::string& in) {
  Json a = Json::object();
  const Json* props = tool.schema->parameters.find("properties");
  if (props == nullptr) return false;
  bool flagged = !tool.ignore_case.empty();
  for (const Json::Member& m : props->members()) {
    if (m.key == tool.query)
      a[m.key] = tool.regex && !flagged ? "(?i)" + pattern : pattern;
    else if (m.key == tool.path && !in.empty())
      a[m.key] = in;
    else if (m.key == tool.limit)
      a[m.key] = bounded(tool, m.key, 200);
    else if (m.key == tool.ignore_case) {
      std::vector<Token> words = tokenise(m.key);
      bool sensitive =
          std::any_of(words.begin(), words.end(), [](const Token& t) { return t.stem == "sensit"; }) ||
          (words.size() == 1 && words[0].stem == "casesensit");
      a[m.key] = !sensitive;
    } else if (m.key == tool.regex_flag)
      a[m.key] = true;
    else if (m.key == tool.path && in.empty() && is_required(tool, m.key))
      a[m.key] = ".";
  }
  return call(tool, std::move(a));
}

bool Planner::read(const ToolView& tool, const std::string& path, std::int64_t from, std::int64_t to) {
  Json a = Json::object();
  const Json* props = tool.schema->parameters.find("properties");
  if (props == nullptr) return false;
  from = std::max<std::int64_t>(from, 1);
  for (const Json::Member& m : props->members()) {
    if (m.key == tool.path)
      a[m.key] = path;
    else if (m.key == tool.first)
      a[m.key] = tool.first_from_zero ? from - 1 : from;
    else if (m.key == tool.last)
      a[m.key] = to;
    else if (m.key == tool.count && tool.last.empty())
      a[m.key] = bounded(tool, m.key, to - from + 1);
  }
  return call(tool, std::move(a));
}

bool Planner::list(const ToolView& tool) {
  Json a = Json::object();
  if (!tool.query.empty() && is_required(tool, tool.query)) a[tool.query] = "**/*";
  if (!tool.recursive.empty()) a[tool.recursive] = true;
  if (!tool.limit.empty()) a[tool.limit] = bounded(tool, tool.limit, 5000);
  return call(tool, std::move(a));
}

std::string pattern_of(const Term& term, bool regex) {
  if (!regex) {
    if (term.stems.size() > 1 || term.entity) return term.surface;
    return common_start(term.surface, term.stems.front());
  }
  std::string out;
  std::vector<Token> tokens = tokenise(term.surface);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    std::string_view part =
        std::string_view(term.surface).substr(tokens[i].begin, tokens[i].end - tokens[i].begin);
    if (i > 0) out += "[^A-Za-z0-9]{0,3}";
    out += escape(tokens.size() == 1       ? common_start(part, tokens[i].stem)
                  : i + 1 == tokens.size() ? common_start(part, tokens[i].stem)
                                           : lower(part));
  }
  bool ascii = !out.empty() && (is_ascii_alpha(out.front()) || is_digit(out.front()));
  bool option = term.surface.starts_with("-");
  return (option  ? "-"
          : ascii ? "\\b"
                  : "") +
         out + (tokens.size() == 1 && term.surface.size() <= 3 ? "\\b" : "");
}

std::vector<const Term*> searched_terms(const Question& q, std::size_t limit) {
  std::vector<const Term*> out;
  for (const Term& term : q.terms)
    if (term.weight >= 0.5) out.push_back(&term);
  if (out.size() < 2)
    for (const Term& term : q.terms)
      if (term.weight < 0.5) out.push_back(&term);
  std::stable_sort(out.begin(), out.end(),
                   [](const Term* a, const Term* b) { return a->weight > b->weight; });
  if (out.size() > limit) out.resize(limit);
  return out;
}

void survey(Planner& planner, const Question& q) {
  const State& s = planner.s;
  for (const ToolView& tool : s.tools) {
    if (tool.purpose != Purpose::search) continue;
    if (!tool.regex && !tool.literal) {
      // A search engine takes the words together.
      std::string keys;
      for (const Term& term : q.terms) keys += (keys.empty() ? "" : " ") + term.surface;
      if (!keys.empty()) planner.search(tool, keys);
      continue;
    }
    std::vector<const Term*> terms = searched_terms(q, kSurveyTerms);
    if (tool.regex && terms.size() >= 2) {
      // Lines with two of the words: few, and rarely cut off.
      std::string both;
      for (std::size_t i = 0; i < terms.size() && i < 4; ++i)
        for (std::size_t j = i + 1; j < terms.size() && j < 4; ++j) {
          std::string a = pattern_of(*terms[i], true), b = pattern_of(*terms[j], true);
          both += (both.empty() ? "" : "|") + a + ".*" + b + "|" + b + ".*" + a;
        }
      planner.search(tool, both);
    }
    for (const Term* term : terms) planner.search(tool, pattern_of(*term, tool.regex));
  }
  if (const ToolView* list = s.first(Purpose::list)) planner.list(*list);
  // A file named in the question is read at once.
  if (const ToolView* reader = s.first(Purpose::read))
    for (const Term& term : q.terms) {
      std::size_t dot = term.surface.rfind('.');
      bool file = term.surface.find('/') != std::string::npos ||
                  (dot != std::string::npos && dot > 0 && dot + 1 < term.surface.size() &&
                   term.surface.size() - dot <= 6 && is_ascii_alpha(term.surface[dot + 1]));
      if (file && term.surface.front() != '/' && term.surface.front() != '~' &&
          !term.surface.starts_with(".."))
        planner.read(*reader, term.surface, 1, 400);
    }
}

namespace {

/// A term in all its inflections, and what else it may be called.
std::string pattern_with_alternatives(const Term& term, bool all) {
  std::string out = pattern_of(term, true);
  for (const Alternative& other : alternatives(term.stems)) {
    if (out.size() > 600 || (!all && other.strength < 0.7)) break;  // the best come first
    if (other.stems.size() == 1 && (other.stems.front().size() < 3 || is_common_word(other.stems.front())))
      continue;
    std::string words;
    for (const std::string& stem : other.stems) {
      // Porter's stems end with the i of "directori" for "directory".
      std::string_view start = stem;
      if (start.size() > 3 && start.back() == 'i') start.remove_suffix(1);
      words += (words.empty() ? "" : "[a-z]*[^A-Za-z0-9]{1,3}") + escape(start);
    }
    out += "|\\b" + words;
  }
  return out;
}

}  // namespace

void narrow(Planner& planner, const Question& q, bool with_synonyms) {
  Matcher matcher(q.terms);
  const std::vector<FileScore> files = promising(q, planner.known, kWholeFiles);
  std::set<std::string> whole;
  if (const ToolView* reader = planner.s.first(Purpose::read); reader != nullptr && !reader->first.empty()) {
    std::int64_t budget = kWholeBytes;
    for (const FileScore& file : files) {
      const auto known = planner.known.sizes.find(file.path);
      const std::int64_t size = known == planner.known.sizes.end() ? kUnknownSize : known->second;
      if (size > budget) continue;
      budget -= size;
      whole.insert(file.path);
      planner.read(*reader, file.path, 1, kChunkLines);
    }
  }
  for (const ToolView& tool : planner.s.tools) {
    if (tool.purpose != Purpose::search || tool.path.empty() || (!tool.regex && !tool.literal)) continue;
    std::size_t searched = 0;
    for (const FileScore& file : files) {
      if (whole.contains(file.path)) continue;
      if (++searched > kNarrowFiles) break;
      const Presence in_name = matcher.presence(tokenise(file.path), file.path);
      std::vector<std::string> patterns;
      for (const Term* term : searched_terms(q, 8)) {
        if (in_name[static_cast<std::size_t>(term - q.terms.data())] >= 1) continue;
        patterns.push_back(tool.regex && term->weight >= 0.6 ? pattern_with_alternatives(*term, with_synonyms)
                                                             : pattern_of(*term, tool.regex));
      }
      if (patterns.empty())
        for (const Term& term : q.terms) patterns.push_back(pattern_of(term, tool.regex));
      if (patterns.empty()) continue;
      if (!tool.regex) {
        if (patterns.size() > 3) patterns.resize(3);
        for (const std::string& pattern : patterns) planner.search(tool, pattern, file.path);
        continue;
      }
      // As few searches as their length allows.
      std::string any;
      for (const std::string& pattern : patterns) {
        if (!any.empty() && any.size() + pattern.size() > kMaxPattern) {
          planner.search(tool, any, file.path);
          any.clear();
        }
        any += (any.empty() ? "" : "|") + pattern;
      }
      planner.search(tool, any, file.path);
    }
  }
}

void read_on(Planner& planner) {
  const ToolView* reader = planner.s.first(Purpose::read);
  if (reader == nullptr || reader->first.empty()) return;
  std::size_t chunks = 0;  // of all files: what a file says of its length may be untrue
  for (const auto& [path, progress] : planner.known.progress) {
    // Later lines may be longer: a little less than fitted into the first result.
    const std::int64_t chunk = std::max<std::int64_t>(20, progress.next * 4 / 5);
    for (std::int64_t from = progress.next; from <= progress.total && ++chunks <= kMostChunks; from += chunk)
      planner.read(*reader, path, from, std::min(progress.total, from + chunk - 1));
  }
}

void read_around(Planner& planner, const Question& q) {
  const ToolView* reader = planner.s.first(Purpose::read);
  if (reader == nullptr) return;
  bool ranged = !reader->first.empty();
  std::set<std::string> whole;
  for (const Window& w : windows(q, planner.known, kReadWindows)) {
    if (ranged) {
      // What is known in full needs no reading.
      const Lines& lines = planner.known.evidence.documents.at(w.path);
      std::int64_t have = 0;
      for (auto it = lines.lower_bound(w.from); it != lines.end() && it->first <= w.to; ++it) ++have;
      if (have >= w.to - w.from) continue;
      planner.read(*reader, w.path, w.from, w.to);
    } else if (whole.size() < 3 && whole.insert(w.path).second) {
      planner.read(*reader, w.path, 1, 2000);
    }
  }
}

void widen(Planner& planner, const Question& q) {
  for (const ToolView& tool : planner.s.tools) {
    if (tool.purpose != Purpose::search) continue;
    if (!tool.regex && !tool.literal) {
      // The heaviest word alone.
      std::vector<const Term*> terms = searched_terms(q, 2);
      for (const Term* term : terms) planner.search(tool, term->surface);
      continue;
    }
    for (const Term* term : searched_terms(q, 4)) {
      if (term->stems.size() > 1)  // the parts of a compound
        for (const Token& part : tokenise(term->surface)) {
          std::string word = lower(std::string_view(term->surface).substr(part.begin, part.end - part.begin));
          if (word.size() >= 4)
            planner.search(tool, tool.regex ? "\\b" + escape(common_start(word, part.stem)) : word);
        }
      if (tool.regex) planner.search(tool, pattern_with_alternatives(*term, true));
      // Humps of a name: "MaxSize" as "max size".
      std::string spaced;
      for (std::size_t i = 0; i < term->surface.size(); ++i) {
        if (i > 0 && is_upper(term->surface[i]) && is_ascii_alpha(term->surface[i - 1]) &&
            !is_upper(term->surface[i - 1]))
          spaced += tool.regex ? "[^A-Za-z0-9]?" : " ";
        spaced += term->surface[i];
      }
      if (spaced != term->surface) planner.search(tool, spaced);
    }
  }
  narrow(planner, q, true);
}

void complete(Planner& planner, const Question& q, const std::vector<Passage>& all) {
  const ToolView* reader = planner.s.first(Purpose::read);
  if (reader == nullptr || reader->first.empty()) return;
  std::size_t n = 0;
  std::set<std::pair<std::string, std::int64_t>> asked;
  for (const Candidate& c : rank(q, all, planner.known.hints, 5)) {
    const Passage& p = all[c.passage];
    auto document = planner.known.evidence.documents.find(p.path);
    if (document == planner.known.evidence.documents.end()) continue;
    std::int64_t line = p.sentences[c.sentence].line;
    std::int64_t last = p.sentences.back().line_at.empty() ? line : p.sentences.back().line_at.back().second;
    bool before = document->second.contains(std::max<std::int64_t>(1, line - 3));
    bool after = document->second.contains(last + 1);
    if ((before && after) || !asked.insert({p.path, line / 20}).second) continue;
    if (planner.read(*reader, p.path, line - kBefore, last + kAfter) && ++n == 4) break;
  }
}

}  // namespace beluga::llm::offline_model
