#include "beluga/llm/providers/offline/internal/plan.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <unordered_map>

#include "beluga/base/result.hpp"
#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/fit.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/providers/offline/internal/toolbox.hpp"

namespace beluga::llm::offline_model {
namespace {

bool differ(double a, double b) {
  return a - b > 1e-9 || b - a > 1e-9;
}

constexpr std::size_t kMaxRounds = 5;  // turns with calls; the answer is the sixth
constexpr std::size_t kSurveyTerms = 5;
constexpr std::size_t kNarrowFiles = 6;
constexpr std::size_t kReadWindows = 8;
constexpr std::int64_t kBefore = 14, kAfter = 18;  // lines read around a hit
constexpr double kToolScore = 0.5;                 // from here on a tool is what a clause is about
constexpr double kGood = kEnough + 0.12;           // enough not to look further

struct Done {
  const ToolView* tool = nullptr;
  std::string name;
  std::string id;
  Json arguments;
  const ToolResult* result = nullptr;
  std::size_t round = 0;
};

struct State {
  std::string request;                                     ///< the question's text
  std::string document;                                    ///< a text that came with it
  std::vector<std::pair<std::string, std::string>> given;  ///< further documents: name, text
  std::vector<ToolView> tools;
  std::vector<Done> calls;
  std::size_t rounds = 0;
  std::size_t calls_before = 0;  ///< in earlier turns of the conversation, for ids that never repeat
  std::string previous_request;

  const ToolView* first(Purpose purpose) const {
    auto it =
        std::find_if(tools.begin(), tools.end(), [&](const ToolView& t) { return t.purpose == purpose; });
    return it == tools.end() ? nullptr : &*it;
  }
};

State read(const ChatRequest& request) {
  State s;
  s.tools.reserve(request.tools.size());
  if (request.tool_choice.mode != ToolChoice::Mode::none)
    for (const ToolSchema& schema : request.tools) s.tools.push_back(view(schema));

  std::size_t last_user = request.messages.size();
  for (std::size_t i = request.messages.size(); i-- > 0;)
    if (request.messages[i].role == Role::user) {
      last_user = i;
      break;
    }
  auto documents_of = [&](const Message& message) {
    for (const Part& part : message.parts)
      if (const File* file = std::get_if<File>(&part);
          file != nullptr && file->data.data &&
          (file->data.mime_type.starts_with("text/") || file->data.mime_type.empty() ||
           file->data.mime_type == "application/json"))
        s.given.emplace_back(file->name.empty() ? "attachment" : file->name, *file->data.data);
  };
  for (std::size_t i = 0; i < request.messages.size(); ++i) {
    const Message& message = request.messages[i];
    if (message.role == Role::user) {
      documents_of(message);
      if (i < last_user) {
        Split split = split_document(message.text());
        s.previous_request = split.question;
        if (!split.document.empty())
          s.given.emplace_back("message " + std::to_string(i + 1), std::move(split.document));
      }
    } else if (i < last_user && message.role == Role::assistant) {
      s.calls_before += message.tool_calls().size();
    } else if (message.role == Role::system) {
      // A long system message brings documents; a short one is an instruction, and there is nothing to
      // instruct here.
      std::string text = message.text();
      if (text.size() > 600) s.given.emplace_back("system message", std::move(text));
    }
  }
  if (last_user < request.messages.size()) {
    Split split = split_document(request.messages[last_user].text());
    s.request = std::move(split.question);
    s.document = std::move(split.document);
  }

  std::map<std::string, std::size_t> by_id;
  for (std::size_t i = last_user + 1; i < request.messages.size(); ++i) {
    const Message& message = request.messages[i];
    if (message.role == Role::assistant) {
      auto calls = message.tool_calls();
      if (calls.empty()) continue;
      ++s.rounds;
      for (const ToolCall* call : calls) {
        Done done;
        done.name = call->name;
        done.id = call->id;
        done.round = s.rounds;
        auto parsed = attempt([&] {
          return Json::parse(call->arguments.empty() ? std::string_view("{}")
                                                     : std::string_view(call->arguments));
        });
        if (parsed) done.arguments = std::move(*parsed);
        for (const ToolView& tool : s.tools)
          if (tool.schema->name == call->name) done.tool = &tool;
        by_id[call->id] = s.calls.size();
        s.calls.push_back(std::move(done));
      }
    } else {
      for (const Part& part : message.parts)
        if (const ToolResult* result = std::get_if<ToolResult>(&part))
          if (auto it = by_id.find(result->call_id); it != by_id.end()) s.calls[it->second].result = result;
    }
  }
  return s;
}

// ---- what is asked of whom
// ---------------------------------------------------------------------------------------------

struct Clause {
  Question question;
  const ToolView* tool = nullptr;  ///< a tool that answers it; null: look it up
  Json arguments;
  std::string missing;  ///< an argument that the tool still needs
};

std::vector<Clause> clauses_of(const State& s, const ChatRequest& request) {
  std::vector<Clause> out;
  for (std::string& text : split_clauses(s.request)) {
    Clause clause;
    clause.question = analyse(text);
    // "And its default?" leans on the question before.
    double own = 0;
    for (const Term& term : clause.question.terms) own += term.weight;
    const std::string& earlier = out.empty() ? s.previous_request : out.back().question.text;
    bool pronoun = false;
    for (std::string_view w : {"it", "its", "that", "this", "they", "them", "their", "there"})
      pronoun = pronoun || contains_word(clause.question.text, w);
    if (!earlier.empty() && (own < 1.0 || pronoun)) {
      for (Term term : analyse(earlier).terms) {
        term.weight *= 0.7;
        bool known = std::any_of(clause.question.terms.begin(), clause.question.terms.end(),
                                 [&](const Term& t) { return t.stems == term.stems; });
        if (!known && (own < 1.0 || term.entity || term.weight > 0.6))
          clause.question.terms.push_back(std::move(term));
      }
    }
    double best = 0, best_missing = 0;
    for (const ToolView& tool : s.tools) {
      bool named = request.tool_choice.mode == ToolChoice::Mode::named &&
                   tool.schema->name == request.tool_choice.name;
      if (tool.purpose != Purpose::other && !named) continue;
      Match m = match(tool, clause.question);
      if (named) m.score = 10;
      if (m.arguments && m.score >= kToolScore && m.score > best) {
        best = m.score;
        clause.tool = &tool;
        clause.arguments = std::move(*m.arguments);
      } else if (!m.arguments && m.score >= kToolScore + 0.1 && m.score > best_missing) {
        best_missing = m.score;
        clause.missing = tool.schema->name + " needs `" + m.missing + "`";
      }
    }
    if (clause.tool != nullptr) clause.missing.clear();
    out.push_back(std::move(clause));
  }
  return out;
}

// ---- evidence
// ----------------------------------------------------------------------------------------------------------

struct Known {
  Evidence evidence;
  std::set<std::string> listing;
  std::map<std::string, std::size_t> hits;  ///< pattern -> hits of the survey
  std::set<std::string> capped;             ///< patterns with more hits than were shown
  std::vector<std::string> failures;
  Hints hints;
  std::size_t searches = 0, reads = 0;
  bool any_lines = false;
};

bool says_capped(std::string_view content) {
  std::string tail = lower(content.size() > 400 ? content.substr(content.size() - 400) : content);
  for (std::string_view w :
       {"truncated", "more match", "limit reached", "more result", "omitted", "not shown", "first "})
    if (tail.find(w) != std::string::npos) return true;
  return false;
}

std::string tool_path(const Done& call) {
  if (call.tool == nullptr || call.tool->path.empty()) return {};
  std::string path(call.arguments.string_or(call.tool->path, ""));
  while (path.starts_with("./")) path.erase(0, 2);
  return path == "." ? std::string() : path;
}

void normalise(std::string& path) {
  while (path.starts_with("./")) path.erase(0, 2);
}

Known learn(const State& s) {
  Known k;
  for (const Done& call : s.calls) {
    if (call.result == nullptr || call.tool == nullptr) continue;
    const std::string& content = call.result->content;
    if (call.result->is_error) {
      k.failures.push_back(call.name + ": " + squeeze(content.substr(0, 160)));
      continue;
    }
    switch (call.tool->purpose) {
      case Purpose::search: {
        ++k.searches;
        std::vector<Hit> hits = parse_hits(content);
        std::string in = tool_path(call);
        std::string pattern(call.arguments.string_or(call.tool->query, ""));
        if (in.empty()) k.hits[pattern] = hits.size();
        if (hits.size() >= 40 && (says_capped(content) || hits.size() >= 200)) k.capped.insert(pattern);
        for (Hit& hit : hits) {
          normalise(hit.path);
          k.evidence.add(hit.path, hit.line, hit.text);
        }
        k.any_lines = k.any_lines || !hits.empty();
        // A knowledge base that answers in prose.
        if (hits.empty() && content.size() > 40 && !content.starts_with("[]") && !content.starts_with("{") &&
            lower(content.substr(0, 60)).find("no ") == std::string::npos) {
          std::int64_t line = 1;
          for (Hit& hit : parse_file(content, call.name, line)) k.evidence.add(call.name, hit.line, hit.text);
        }
        break;
      }
      case Purpose::read: {
        ++k.reads;
        std::int64_t from = call.tool->first.empty() ? 1 : call.arguments.int_or(call.tool->first, 1);
        if (call.tool->first_from_zero) ++from;
        std::string path = tool_path(call);
        for (const Hit& hit : parse_file(content, path, from)) k.evidence.add(path, hit.line, hit.text);
        k.any_lines = true;
        break;
      }
      case Purpose::list: {
        std::string base = tool_path(call);
        for (std::string& path : parse_listing(content)) {
          normalise(path);
          if (!base.empty() && !path.starts_with(base)) path = base + (base.ends_with("/") ? "" : "/") + path;
          k.listing.insert(std::move(path));
        }
        break;
      }
      case Purpose::other:
        break;
    }
  }
  return k;
}

// ---- looking things up
// ---------------------------------------------------------------------------------------------------

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

/// A regular expression (or plain text) that finds a term in its inflections and spellings.
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

struct Planner {
  const State& s;
  const Known& known;
  std::vector<ToolCall> calls{};
  std::set<std::string> made{};

  Planner(const State& state, const Known& k) : s(state), known(k) {
    for (const Done& call : s.calls) made.insert(call.name + call.arguments.dump());
  }

  bool call(const ToolView& tool, Json arguments) {
    std::string text = arguments.dump();
    if (!made.insert(tool.schema->name + text).second) return false;
    calls.push_back({"call_" + std::to_string(s.calls_before + s.calls.size() + calls.size() + 1),
                     tool.schema->name, std::move(text)});
    return true;
  }

  const Json* parameter(const ToolView& tool, const std::string& name) const {
    const Json* props = tool.schema->parameters.find("properties");
    return props == nullptr ? nullptr : props->find(name);
  }
  std::int64_t bounded(const ToolView& tool, const std::string& name, std::int64_t want) const {
    if (const Json* p = parameter(tool, name)) {
      want = std::min(want, p->int_or("maximum", want));
      want = std::max(want, p->int_or("minimum", want));
    }
    return want;
  }

  bool search(const ToolView& tool, const std::string& pattern, const std::string& in = {}) {
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

  bool is_required(const ToolView& tool, std::string_view name) const {
    const Json* required = tool.schema->parameters.find("required");
    if (required == nullptr) return false;
    for (const Json& item : required->items())
      if (item.is_string() && item.as_string() == name) return true;
    return false;
  }

  bool read(const ToolView& tool, const std::string& path, std::int64_t from, std::int64_t to) {
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

  bool list(const ToolView& tool) {
    Json a = Json::object();
    if (!tool.query.empty() && is_required(tool, tool.query)) a[tool.query] = "**/*";
    if (!tool.recursive.empty()) a[tool.recursive] = true;
    if (!tool.limit.empty()) a[tool.limit] = bounded(tool, tool.limit, 5000);
    return call(tool, std::move(a));
  }
};

/// Terms by weight, the heavy ones first; common words only when there is nothing else.
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

struct FileScore {
  std::string path;
  double score = 0;
};

double path_score(const Question& q, const std::string& path) {
  std::vector<Token> tokens = tokenise(path);
  std::size_t slash = path.rfind('/');
  std::vector<Token> base = tokenise(slash == std::string::npos ? std::string_view(path)
                                                                : std::string_view(path).substr(slash + 1));
  double score = 0;
  for (const Term& term : q.terms) {
    if (presence(term, base) == 1)
      score += 2.2 * term.weight;
    else if (presence(term, tokens) == 1)
      score += 1.8 * term.weight;
  }
  return score;
}

std::vector<FileScore> promising(const Question& q, const Known& known, std::size_t limit) {
  std::map<std::string, double> scores;
  for (const std::string& path : known.listing)
    if (!path.ends_with("/"))
      if (double score = path_score(q, path); score > 0) scores[path] = score;
  for (const auto& [path, lines] : known.evidence.documents) {
    std::string all;
    std::size_t budget = 60;
    double score = path_score(q, path);
    std::vector<double> best(q.terms.size(), 0);
    double line_best = 0;
    for (const auto& [number, text] : lines) {
      if (budget-- == 0) break;
      std::vector<Token> tokens = tokenise(text);
      double here = 0;
      for (std::size_t t = 0; t < q.terms.size(); ++t) {
        double p = presence(q.terms[t], tokens);
        best[t] = std::max(best[t], p);
        here += p * q.terms[t].weight;
      }
      line_best = std::max(line_best, here);
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

void narrow(Planner& planner, const Question& q, bool with_synonyms) {
  for (const ToolView& tool : planner.s.tools) {
    if (tool.purpose != Purpose::search || tool.path.empty() || (!tool.regex && !tool.literal)) continue;
    for (const FileScore& file : promising(q, planner.known, kNarrowFiles)) {
      std::vector<Token> path = tokenise(file.path);
      std::vector<std::string> patterns;
      for (const Term* term : searched_terms(q, 8)) {
        if (presence(*term, path) == 1) continue;
        patterns.push_back(pattern_of(*term, tool.regex));
        if ((with_synonyms || tool.regex) && term->stems.size() == 1)
          for (std::string_view other : synonyms(term->stems.front()))
            if (tool.regex && (with_synonyms || term->weight >= 1.0) && other.size() >= 4 &&
                !is_common_word(other))
              patterns.push_back("\\b" + escape(other));
      }
      if (patterns.empty())
        for (const Term& term : q.terms) patterns.push_back(pattern_of(term, tool.regex));
      if (patterns.empty()) continue;
      if (tool.regex) {
        std::string any;
        for (const std::string& p : patterns) any += (any.empty() ? "" : "|") + p;
        planner.search(tool, any, file.path);
      } else {
        for (std::size_t i = 0; i < patterns.size() && i < 3; ++i)
          planner.search(tool, patterns[i], file.path);
      }
    }
  }
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
  std::vector<Window> all;
  std::unordered_map<std::string, double> seen;  // how often each term's lines occur
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
    std::vector<Token> path_tokens = tokenise(path);
    std::vector<double>& p = in_path[path];
    for (const Term& term : q.terms) p.push_back(presence(term, path_tokens) == 1 ? 0.9 : 0);
    for (const auto& [number, text] : known_lines) {
      std::vector<Token> tokens = tokenise(text);
      Line line{number, {}, 0};
      bool any = false;
      line.lead = leading(q, text);
      for (std::size_t t = 0; t < q.terms.size(); ++t) {
        double here = presence(q.terms[t], tokens, text);
        line.presence.push_back(here);
        counts[t] += here == 1 ? 1 : 0;
        any = any || here > 0;
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

void read_around(Planner& planner, const Question& q, std::size_t limit) {
  const ToolView* reader = planner.s.first(Purpose::read);
  if (reader == nullptr) return;
  bool ranged = !reader->first.empty();
  std::set<std::string> whole;
  for (const Window& w : windows(q, planner.known, limit)) {
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
      std::string any;
      for (std::string_view other : synonyms(term->stems.front()))
        if (other.size() >= 3 && !is_common_word(other)) any += (any.empty() ? "\\b(" : "|") + escape(other);
      if (!any.empty() && tool.regex && term->stems.size() == 1) planner.search(tool, any + ")");
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

// ---- answering
// -----------------------------------------------------------------------------------------------------------

/// Folder names and manual pages: "tmux" in "tmux/tmux.1.txt".
void scope_terms(const Question& q, Known& known) {
  std::set<std::string> names;
  auto take = [&](const std::string& path) {
    std::size_t begin = 0;
    for (;;) {
      std::size_t slash = path.find('/', begin);
      std::string_view part =
          std::string_view(path).substr(begin, slash == std::string::npos ? slash : slash - begin);
      if (slash == std::string::npos) {
        std::size_t dot = part.find('.');
        if (dot != std::string_view::npos && dot + 1 < part.size() && is_digit(part[dot + 1]))
          names.emplace(part.substr(0, dot));
        break;
      }
      names.emplace(part);
      begin = slash + 1;
    }
  };
  for (const std::string& path : known.listing) take(path);
  for (const auto& [path, lines] : known.evidence.documents) take(path);
  for (const Term& term : q.terms) {
    if (term.weight < 1.0 || term.option) continue;
    for (const std::string& name : names) {
      std::vector<Token> tokens = tokenise(name);
      bool same = tokens.size() >= term.stems.size() &&
                  std::equal(term.stems.begin(), term.stems.end(), tokens.begin(),
                             [](const std::string& a, const Token& b) { return a == b.stem; });
      bool begins = !tokens.empty() && term.stems.size() == 1 && term.stems.front().size() >= 4 &&
                    tokens.front().stem.starts_with(term.stems.front());  // "borg" in "borgbackup-doc"
      if (same || begins) {
        known.hints.scope.insert(term.surface);
        break;
      }
    }
  }
}

void absent_terms(const Question& q, Known& known) {
  for (const Term& term : q.terms) {
    if (term.weight < 0.5) continue;
    for (bool regex : {true, false}) {
      std::string pattern = pattern_of(term, regex);
      for (std::string key : {"(?i)" + pattern, pattern})
        if (auto it = known.hits.find(key); it != known.hits.end() && it->second == 0)
          known.hints.absent.insert(term.surface);
    }
  }
}

std::vector<Passage> passages_of(const Evidence& evidence) {
  std::vector<Passage> out;
  for (const auto& [path, lines] : evidence.documents) {
    std::vector<Passage> some = passages(path, lines);
    out.insert(out.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  return out;
}

void add_given(const State& s, Evidence& evidence) {
  auto add = [&](const std::string& name, const std::string& text) {
    std::string_view rest = text;
    std::int64_t line = 1;
    while (!rest.empty() && line < 200000) {
      std::size_t end = rest.find('\n');
      evidence.add(name, line++, rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  };
  if (!s.document.empty()) add("your message", s.document);
  for (const auto& [name, text] : s.given) add(name, text);
}

/// "Where is README.md?", "Which file is named ...": the listing answers.
std::string from_listing(const Question& q, const Known& known) {
  if (q.kind != Kind::place || known.listing.empty()) return {};
  std::string l = lower(q.text);
  bool about_file = l.find("where is") != std::string::npos || l.find("where are") != std::string::npos ||
                    l.find("where can i find") != std::string::npos ||
                    l.find("which file") != std::string::npos;
  if (!about_file) return {};
  std::string best;
  for (const std::string& path : known.listing) {
    std::size_t slash = path.rfind('/');
    std::string base = lower(slash == std::string::npos ? path : path.substr(slash + 1));
    for (const Term& term : q.terms)
      if (term.surface.find('.') != std::string::npos && lower(term.surface) == base &&
          (best.empty() || path.size() < best.size()))
        best = path;
  }
  return best.empty() ? best : best + " (source: " + best + ":1)";
}

std::string not_found(const Question& q, const State& s, const Known& known) {
  std::string out(kNotFound);
  if (known.searches + known.reads == 0) {
    if (s.first(Purpose::search) == nullptr && s.first(Purpose::read) == nullptr &&
        known.evidence.documents.empty())
      return std::string(
          "I have no document and no tool to answer this from. I am the offline model: I only answer from "
          "files, tools and texts that I am given.");
    if (known.evidence.documents.empty()) return out;
  }
  std::string words;
  for (const Term* term : searched_terms(q, 6)) words += (words.empty() ? "" : ", ") + term->surface;
  if (!words.empty()) out += " Searched for: " + words + ".";
  if (!known.listing.empty()) out += " Files listed: " + std::to_string(known.listing.size()) + ".";
  if (!known.failures.empty()) out += " A tool failed: " + known.failures.front() + ".";
  return out;
}

bool mostly_number(std::string_view text) {
  return !text.empty() && text.size() <= 60 && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || std::string_view("+-.eE, infa").find(c) != std::string_view::npos;
  }) && std::any_of(text.begin(), text.end(), is_digit);
}

/// The result of a tool that was called for a clause, said shortly.
std::string report(const Question& q, const Done& call) {
  const std::string& content = call.result->content;
  if (call.result->is_error) return call.name + " failed: " + squeeze(content.substr(0, 300));
  Json json;
  bool is_json = false;
  if (std::size_t b = content.find_first_not_of(" \r\n\t");
      b != std::string::npos && (content[b] == '{' || content[b] == '[' || content[b] == '"')) {
    auto parsed = attempt([&] { return Json::parse(content); });
    if (parsed) json = std::move(*parsed), is_json = true;
  }
  auto plain = [](const Json& value) { return value.is_string() ? value.as_string() : value.dump(); };
  std::string text;
  if (is_json && json.is_object()) {
    // The members that were asked for, else the first few scalars.
    std::vector<std::pair<double, const Json::Member*>> scored;
    for (const Json::Member& m : json.members()) {
      if (m.value.is_object() || m.value.is_array()) continue;
      double score = 0;
      std::vector<Token> tokens = tokenise(m.key);
      for (const Term& term : q.terms) score += presence(term, tokens);
      scored.emplace_back(score, &m);
    }
    std::stable_sort(scored.begin(), scored.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    bool asked = !scored.empty() && scored.front().first >= 1;
    std::size_t n = 0;
    for (const auto& [score, m] : scored) {
      if ((asked && score < 1) || n == 6) break;
      text += (n++ == 0 ? "" : ", ") + m->key + ": " + plain(m->value);
    }
    if (text.empty()) text = json.dump();
  } else if (is_json) {
    text = plain(json);
  } else {
    text = squeeze(content);
  }
  if (text.size() > 1200) text = text.substr(0, 1200) + " ...";
  if (mostly_number(text))
    for (const Json::Member& m : call.arguments.members())
      if (m.value.is_string() && m.value.as_string().find_first_of("+-*/^%(") != std::string::npos)
        text = m.value.as_string() + " = " + text;
  return text + " (source: " + call.name + ")";
}

std::string self_description(const State& s) {
  std::string out =
      "I am the offline model of Beluga: a built-in program, not a language model. I have no weights and no "
      "network and give the same answer every time. I answer by choosing among the "
      "tools I am given, filling their arguments from your words, and quoting sentences from what they "
      "return or from texts you give me, with their source. I do not reason, translate or write prose.";
  if (!s.tools.empty()) {
    out += " Tools at hand:";
    std::size_t n = 0;
    for (const ToolView& tool : s.tools) out += (n++ == 0 ? " " : ", ") + tool.schema->name;
    out += ".";
  }
  return out;
}

/// Reads on where the best candidates stand at the edge of what is known.
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

struct LookedUp {
  std::string text;
  Candidate best{};
  bool found = false;
};

LookedUp look_up(const Question& q, const State& s, Known& known, const std::vector<Passage>& all) {
  LookedUp out;
  if (std::string path = from_listing(q, known); !path.empty()) return {path, {}, true};
  absent_terms(q, known);
  scope_terms(q, known);
  std::vector<Candidate> ranked = rank(q, all, known.hints);
  if (!ranked.empty() && ranked.front().coverage >= kEnough) {
    out.found = true;
    out.best = ranked.front();
    out.text = compose(q, all, ranked);
  } else {
    out.text = not_found(q, s, known);
  }
  return out;
}

}  // namespace

Turn next_turn(const ChatRequest& request) {
  State s = read(request);
  Turn turn;
  if (squeeze(s.request.substr(0, 2000)).empty() && s.document.empty()) {
    turn.text = "There is no question in this message. " + self_description(s);
    return turn;
  }
  if (!request.output && (asks_about_model(s.request) || is_greeting(s.request)) && s.calls.empty() &&
      request.tool_choice.mode != ToolChoice::Mode::named) {
    turn.text = self_description(s);
    return turn;
  }
  std::vector<Clause> clauses = clauses_of(s, request);
  Known known = learn(s);
  add_given(s, known.evidence);
  bool has_documents = !s.document.empty() || !s.given.empty();
  bool can_look = s.first(Purpose::search) != nullptr || s.first(Purpose::list) != nullptr ||
                  s.first(Purpose::read) != nullptr;
  bool may_call =
      request.tool_choice.mode != ToolChoice::Mode::none && s.rounds < kMaxRounds && !s.tools.empty();

  // Given documents come first: what they answer is not searched for.
  std::vector<Passage> all = passages_of(known.evidence);
  auto looked_up_by = [&](const Clause& clause) { return clause.tool == nullptr; };

  if (may_call) {
    Planner planner(s, known);
    if (s.rounds == 0)
      for (const Clause& clause : clauses)
        if (clause.tool != nullptr) planner.call(*clause.tool, clause.arguments);
    for (const Clause& clause : clauses) {
      if (!looked_up_by(clause) || !can_look || !clause.missing.empty()) continue;
      const Question& q = clause.question;
      if (q.terms.empty()) continue;
      if (has_documents && s.rounds == 0) {
        std::vector<Candidate> ranked = rank(q, all, {});
        if (!ranked.empty() && ranked.front().coverage >= kEnough) continue;
      }
      std::size_t search_rounds = 0, read_rounds = 0;
      std::set<std::size_t> searched, was_read;
      for (const Done& call : s.calls) {
        if (call.tool == nullptr) continue;
        if (call.tool->purpose == Purpose::search || call.tool->purpose == Purpose::list)
          searched.insert(call.round);
        else if (call.tool->purpose == Purpose::read)
          was_read.insert(call.round);
      }
      for (std::size_t round : was_read)
        if (round > 1 || searched.empty()) ++read_rounds;
      search_rounds = searched.size();
      bool can_narrow = std::any_of(s.tools.begin(), s.tools.end(), [](const ToolView& t) {
        return t.purpose == Purpose::search && !t.path.empty() && (t.regex || t.literal);
      });
      std::size_t before = planner.calls.size();
      if (search_rounds == 0 && read_rounds == 0) {
        survey(planner, q);
        continue;
      }
      LookedUp so_far = look_up(q, s, known, all);
      bool good = so_far.found && so_far.best.coverage >= kGood && read_rounds > 0;
      if (read_rounds > 0 && so_far.found && s.rounds + 1 < kMaxRounds) complete(planner, q, all);
      if (good || planner.calls.size() != before) continue;
      if (search_rounds == 1 && read_rounds == 0 && can_narrow) narrow(planner, q, false);
      if (planner.calls.size() == before && read_rounds == 0) read_around(planner, q, kReadWindows);
      bool widened = search_rounds > (can_narrow ? 2U : 1U);
      if (planner.calls.size() == before && !widened && s.rounds + 1 < kMaxRounds) widen(planner, q);
      if (planner.calls.size() == before && widened && read_rounds < 2) read_around(planner, q, kReadWindows);
    }
    // A tool is demanded: the best one, with whatever fits.
    if (planner.calls.empty() && s.calls.empty() &&
        (request.tool_choice.mode == ToolChoice::Mode::required ||
         request.tool_choice.mode == ToolChoice::Mode::named)) {
      const ToolView* pick = nullptr;
      for (const ToolView& tool : s.tools)
        if (request.tool_choice.mode == ToolChoice::Mode::required
                ? pick == nullptr
                : tool.schema->name == request.tool_choice.name)
          pick = &tool;
      if (pick != nullptr) {
        Match m = match(*pick, analyse(s.request));
        planner.call(*pick, m.arguments ? std::move(*m.arguments) : Json::object());
      }
    }
    if (!planner.calls.empty()) {
      turn.calls = std::move(planner.calls);
      if (request.parallel_tool_calls == false && turn.calls.size() > 1) turn.calls.resize(1);
      return turn;
    }
  }

  std::vector<std::string> answers;
  std::string source;
  bool any_found = false;
  for (const Clause& clause : clauses) {
    std::string text;
    if (clause.tool != nullptr) {
      std::string wanted = clause.arguments.dump();
      for (const Done& call : s.calls)
        if (call.result != nullptr && call.tool == clause.tool &&
            (call.arguments.dump() == wanted || text.empty())) {
          text = report(clause.question, call);
          any_found = any_found || !call.result->is_error;
          if (call.arguments.dump() == wanted) break;
        }
      if (text.empty()) text = "I was not allowed to call " + clause.tool->schema->name + ".";
    } else if (!clause.missing.empty()) {
      text = "I cannot fill that in from your words: " + clause.missing + ".";
    } else {
      LookedUp found = look_up(clause.question, s, known, all);
      text = found.text;
      any_found = any_found || found.found;
    }
    if (std::find(answers.begin(), answers.end(), text) == answers.end()) answers.push_back(std::move(text));
  }
  for (const std::string& text : answers) turn.text += (turn.text.empty() ? "" : "\n") + text;

  if (request.output) {
    Material material;
    material.request = s.request;
    material.document = s.document;
    for (const auto& [name, text] : s.given)
      material.document += (material.document.empty() ? "" : "\n") + text;
    if (any_found) {
      material.answer = turn.text;
      if (std::size_t at = material.answer.rfind(" (source: ");
          at != std::string::npos && answers.size() == 1) {
        material.source = material.answer.substr(at + 10, material.answer.size() - at - 11);
        material.answer.resize(at);
      }
    }
    material.passages = std::move(all);
    turn.text = fit(request.output->schema, material).dump();
  }
  return turn;
}

}  // namespace beluga::llm::offline_model
