#include "beluga/llm/providers/offline/internal/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "beluga/base/result.hpp"
#include "beluga/llm/providers/offline/internal/fit.hpp"
#include "beluga/llm/providers/offline/internal/lookup.hpp"
#include "beluga/llm/providers/offline/internal/match.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"
#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/providers/offline/internal/thesaurus.hpp"
#include "beluga/llm/providers/offline/internal/transcript.hpp"

namespace beluga::llm::offline_model {
namespace {

constexpr std::size_t kMaxRounds = 5;  // turns with calls; the answer is the sixth
constexpr double kToolScore = 0.5;     // from here on a tool is what a clause is about
constexpr std::size_t kRanked = 24;    // candidates that are compared
constexpr std::size_t kAlso = 400;     // bytes of a passage beside the answer
constexpr double kGood = 0.8;          // sure enough not to look further

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

/// Names of programs, that tell which documents are meant: a folder at the top ("tmux" of "tmux/tmux.1.txt"), or a
/// manual page.
void scope_terms(const Question& q, Known& known) {
  // A folder names a program where most files are sorted into folders; a "providers/" beside them does not.
  std::map<std::string, std::set<std::string>> folders, pages;  // the folders that a name is found in
  const auto sorted = std::count_if(known.listing.begin(), known.listing.end(), [](const std::string& path) {
    return path.find('/') != std::string::npos && !path.ends_with("/");
  });
  const auto loose = std::count_if(known.listing.begin(), known.listing.end(), [](const std::string& path) {
    return path.find('/') == std::string::npos;
  });
  const bool by_folder = sorted > 4 * loose;
  auto take = [&](const std::string& path) {
    const std::size_t first = path.find('/'), last = path.rfind('/');
    const std::string folder = first == std::string::npos ? std::string() : path.substr(0, first);
    if (by_folder && !folder.empty()) folders[folder].insert(folder);
    const std::string base = last == std::string::npos ? path : path.substr(last + 1);
    const std::size_t dot = base.find('.');
    if (dot != std::string::npos && dot + 1 < base.size() && is_digit(base[dot + 1]))
      pages[base.substr(0, dot)].insert(folder);
  };
  for (const std::string& path : known.listing) take(path);
  for (const auto& [path, lines] : known.evidence.documents) take(path);
  auto matches = [](const Term& term, const std::string& name, bool prefix) {
    const std::vector<Token> tokens = tokenise(name);
    const bool row = tokens.size() >= term.stems.size() &&
                     std::equal(term.stems.begin(), term.stems.end(), tokens.begin(),
                                [](const std::string& a, const Token& b) { return a == b.stem; });
    if (row && (prefix || tokens.size() == term.stems.size())) return true;
    if (!prefix || tokens.empty() || term.stems.size() != 1) return false;
    // "borg" in "borgbackup-doc", "lvm" in "lvm2"
    const std::string &stem = term.stems.front(), &head = tokens.front().stem;
    return head.starts_with(stem) && (stem.size() >= 4 || (stem.size() >= 3 && is_digit(head[stem.size()])));
  };
  auto eligible = [](const Term& term) { return term.weight >= 1.0 && !term.option; };
  std::set<std::string> within;
  for (const Term& term : q.terms)
    for (const auto& [name, in] : folders)
      if (eligible(term) && matches(term, name, true)) {
        known.hints.scope.insert(term.surface);
        within.insert(in.begin(), in.end());
        break;
      }
  // "git daemon" names git-daemon.1: all words of a page's name in a row.
  const std::vector<Token> words = tokenise(q.text);
  for (const std::string& path : known.listing) {
    std::string name = path_text(path);
    name.erase(0, name.rfind('/') + 1);
    name.resize(std::min(name.size(), name.find('.')));
    const std::vector<Token> parts = tokenise(name);
    if (parts.size() < 2 || (!within.empty() && !within.contains(path.substr(0, path.find('/'))))) continue;
    std::vector<std::string> stems;
    for (const Token& part : parts) stems.push_back(part.stem);
    if (!all_in_row(stems, words)) continue;
    for (const Term& term : q.terms)
      if (!term.option && std::all_of(term.stems.begin(), term.stems.end(), [&](const std::string& stem) {
            return std::find(stems.begin(), stems.end(), stem) != stems.end();
          }))
        known.hints.scope.insert(term.surface);
  }
  for (const Term& term : q.terms) {
    // "share" may be the name of a page, and is a word of everyday first.
    if (!eligible(term) || (!term.entity && !alternatives(term.stems).empty())) continue;
    for (const auto& [name, in] : pages)
      if (matches(term, name, false) &&
          (within.empty() ||
           std::any_of(in.begin(), in.end(), [&](const std::string& f) { return within.contains(f); }))) {
        known.hints.scope.insert(term.surface);
        break;
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
  if (!s.document.empty()) add(std::string(kGivenText), s.document);
  for (const auto& [name, text] : s.given) add(name, text);
}

/// "Which files are here?", "What is in this folder?", "List the files": nothing but the listing is wanted.
bool asks_for_listing(std::string_view text) {
  static const std::set<std::string, std::less<>> kOthers{
      "what", "which",   "is",   "are", "there",  "here",      "in",     "this",     "the",
      "all",  "current", "of",   "can", "do",     "you",       "see",    "we",       "have",
      "i",    "list",    "show", "me",  "please", "directory", "folder", "available"};
  bool subject = false;
  for (const Token& token : tokenise(text)) {
    const std::string word = lower(text.substr(token.begin, token.end - token.begin));
    if (word == "files" || word == "folder" || word == "directory" || word == "contents")
      subject = true;
    else if (kOthers.find(word) == kOthers.end())
      return false;
  }
  return subject;
}

std::string whole_listing(const Known& known) {
  constexpr std::size_t kMost = 40;
  std::string out;
  std::size_t shown = 0, top = 0;
  for (const std::string& path : known.listing) {
    const std::size_t slash = path.find('/');
    if (slash != std::string::npos && slash + 1 != path.size()) continue;  // below a folder that is shown
    ++top;
    if (shown == kMost) continue;
    out += (shown++ == 0 ? "" : ", ") + path;
  }
  if (top > shown) out += fmt::format(", and {} more", top - shown);
  return fmt::format("{} ({} files and folders in all)", out, known.listing.size());
}

/// "Where is README.md?", "Which file is named ...": the listing answers.
std::string from_listing(const Question& q, const Known& known) {
  if (asks_for_listing(q.text) && !known.listing.empty()) return whole_listing(known);
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
  Matcher matcher(q.terms);
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
      for (double here : matcher.presence(tokens, m.key)) score += here;
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

struct LookedUp {
  std::string text;
  std::string also;  ///< other passages that come close, each with its citation
  Candidate best{};
  bool found = false;
};

LookedUp look_up(const Question& q, const State& s, Known& known, const std::vector<Passage>& all) {
  LookedUp out;
  if (std::string path = from_listing(q, known); !path.empty())
    return {.text = path, .also = {}, .best = {}, .found = true};
  absent_terms(q, known);
  scope_terms(q, known);
  std::vector<Candidate> ranked = rank(q, all, known.hints, kRanked);
  if (confidence(q, ranked) >= kEnough) {
    out.found = true;
    out.best = ranked.front();
    out.text = compose(q, all, ranked.front());
    for (std::size_t at : quoted(ranked)) {
      if (at == 0) continue;
      std::string text = compose(q, all, ranked[at], kAlso);
      if (text != out.text)
        out.also += (out.also.empty() ? "\nIt may also be meant: " : "\n") + std::move(text);
    }
  } else {
    out.text = not_found(q, s, known);
  }
  return out;
}

}  // namespace

std::vector<Inquiry> inquiries(const ChatRequest& request) {
  State s = read(request);
  Known known = learn(s);
  add_given(s, known.evidence);
  std::vector<Passage> all = passages_of(known.evidence);
  std::vector<Inquiry> out;
  for (Clause& clause : clauses_of(s, request)) {
    if (clause.tool != nullptr || !clause.missing.empty()) continue;
    known.hints = {};
    absent_terms(clause.question, known);
    scope_terms(clause.question, known);
    out.push_back({std::move(clause.question), all, known.hints});
  }
  return out;
}

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
  std::optional<std::vector<Passage>> split;  // only the turns that rank need the passages
  auto all = [&]() -> const std::vector<Passage>& {
    if (!split) split = passages_of(known.evidence);
    return *split;
  };
  auto looked_up_by = [&](const Clause& clause) { return clause.tool == nullptr; };

  if (may_call) {
    Planner planner(s, known);
    if (s.rounds == 0)
      for (const Clause& clause : clauses)
        if (clause.tool != nullptr) planner.call(*clause.tool, clause.arguments);
    for (const Clause& clause : clauses) {
      if (!looked_up_by(clause) || !can_look || !clause.missing.empty()) continue;
      const Question& q = clause.question;
      if (const ToolView* list = s.first(Purpose::list); list != nullptr && asks_for_listing(q.text)) {
        if (s.rounds == 0) planner.list(*list);
        continue;
      }
      if (q.terms.empty()) continue;
      if (has_documents && s.rounds == 0) {
        if (confidence(q, rank(q, all(), {}, kRanked)) >= kEnough) continue;
      }
      // Each phase once; one that has nothing to do is passed over.
      if (s.rounds == 0) {
        survey(planner, q);
        continue;
      }
      scope_terms(q, known);
      absent_terms(q, known);
      const std::size_t before = planner.calls.size();
      auto called = [&] { return planner.calls.size() != before; };
      if (s.rounds == 1) narrow(planner, q, false);
      if (!called() && s.rounds <= 2) {
        read_on(planner);
        read_around(planner, q);
      }
      if (called()) continue;
      const std::vector<Candidate> ranked = rank(q, all(), known.hints, kRanked);
      const double sure = confidence(q, ranked);
      if (sure >= kEnough && s.rounds + 1 < kMaxRounds) complete(planner, q, all());
      if (called() || sure >= kGood) continue;
      if (s.rounds <= 3) widen(planner, q);
      if (!called() && s.rounds <= 4) read_around(planner, q);
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
      LookedUp found = look_up(clause.question, s, known, all());
      text = found.text;
      if (!request.output) text += found.also;
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
    material.passages = all();
    turn.text = fit(request.output->schema, material).dump();
  }
  return turn;
}

}  // namespace beluga::llm::offline_model