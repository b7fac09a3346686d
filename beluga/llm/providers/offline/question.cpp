#include "beluga/llm/providers/offline/internal/question.hpp"

#include <algorithm>
#include <iterator>

#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {
namespace {

bool any_word(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view w) { return contains_word(text, w); });
}

std::string first_word(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size() && !is_word_char(text[i])) ++i;
  std::size_t begin = i;
  while (i < text.size() && (is_word_char(text[i]) || text[i] == '\'')) ++i;
  return lower(text.substr(begin, i - begin));
}

bool is_joiner(char c) noexcept {
  return c == '-' || c == '_' || c == '.' || c == '/' || c == ':' || c == '@' || c == '+' || c == '#';
}

/// Like "max_size", "GPT-4", "server.port", "/etc/hosts", "ServerAliveCountMax", "PDF", "do-ip6", "S3".
bool is_identifier(std::string_view word) {
  bool joiner = false, digit = false, letter = false;
  int humps = 0, capitals = 0;
  for (std::size_t i = 0; i < word.size(); ++i) {
    char c = word[i];
    if (c == '_' || c == '.' || c == '/' || c == ':' || c == '@' || c == '+' || c == '#') joiner = true;
    if (is_digit(c)) digit = true;
    if (is_word_char(c) && !is_digit(c)) letter = true;
    if (is_upper(c)) {
      ++capitals;
      if (i > 0 && is_ascii_alpha(word[i - 1]) && !is_upper(word[i - 1])) ++humps;
    }
  }
  return (joiner && letter) || (digit && letter) || humps > 0 || (capitals >= 2 && letter);
}

/// What a name is said to be: "the batch command", "the maxdistance directive".
bool is_kind_noun(std::string_view w) {
  static constexpr std::string_view kNouns[] = {"command", "option",   "directive", "flag",     "parameter",
                                                "setting", "variable", "tool",      "function", "hook",
                                                "keyword", "value",    "argument",  "program"};
  return std::find(std::begin(kNouns), std::end(kNouns), w) != std::end(kNouns);
}

/// "which merge option", "what key": one of the nouns within three words of the question word, with no verb
/// between.
bool asks_for_noun(std::string_view l, std::initializer_list<std::string_view> nouns) {
  for (std::string_view word : {std::string_view("which "), std::string_view("what ")}) {
    std::size_t at = l.find(word);
    if (at == std::string_view::npos || (at > 0 && is_word_char(l[at - 1]))) continue;
    std::string_view rest = l.substr(at + word.size());
    for (int i = 0; i < 4 && !rest.empty(); ++i) {
      std::size_t end = rest.find_first_of(" ?,.");
      std::string_view w = rest.substr(0, end);
      for (std::string_view verb :
           {"does", "do", "is", "are", "was", "did", "must", "happens", "can", "should"})
        if (w == verb) return false;
      if (std::find(nouns.begin(), nouns.end(), w) != nouns.end()) return true;
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return false;
}

/// "if I don't pick one", "out of the box": how users say "by default". The phrase, to be left out of the
/// subject; empty if there is none. It runs to the end of its clause.
std::string_view default_phrase(std::string_view l) {
  static constexpr std::string_view kWhole[] = {
      "out of the box",   "unless configured", "unless changed", "unless told",     "by itself",
      "on its own",       "unless specified",  "if unset",       "without further", "when none is",
      "if none is given", "as shipped",        "as installed",   "normally",        "ordinarily",
      "initially",        "if left alone",     "otherwise"};
  static constexpr std::string_view kToEnd[] = {
      "if i don't ",         "if i do not ",       "if you don't ",  "if you do not ",   "unless i ",
      "unless you ",         "unless one ",        "when i don't ",  "when i do not ",   "when you don't ",
      "when i give no",      "if i give no",       "if i say no",    "if i set no",      "if i leave ",
      "unless it is ",       "unless otherwise ",  "if nothing ",    "when nothing ",    "if nobody ",
      "if it is not set",    "when it is not set", "if it isn't ",   "if not told ",     "if not set",
      "without me ",         "without my ",        "if none is ",    "when no ",         "unless told ",
      "before i change ",    "if i never ",        "if i didn't ",   "unless somebody ", "without being told",
      "without being asked", "if i name no",       "when i name no", "unless set"};
  for (std::string_view phrase : kToEnd)
    if (const std::size_t at = l.find(phrase);
        at != std::string_view::npos && (at == 0 || !is_word_char(l[at - 1])))
      return l.substr(at, std::min(l.find_first_of(",;?", at), l.size()) - at);
  for (std::string_view phrase : kWhole)
    if (const std::size_t at = l.find(phrase);
        at != std::string_view::npos && (at == 0 || !is_word_char(l[at - 1])))
      return l.substr(at, phrase.size());
  return {};
}

Kind kind_of(const std::string& l) {
  std::string first = first_word(l);
  if (contains_word(l, "default") || contains_word(l, "defaults") || !default_phrase(l).empty()) {
    if (first == "how" && (l.starts_with("how do i ") || l.starts_with("how can i "))) return Kind::how_to;
    if (first == "does" || first == "is" || first == "do" || first == "are") return Kind::yes_no;
    if (first == "who") return Kind::who;
    return Kind::default_value;
  }
  if (first == "who" || first == "whom" ||
      any_word(l, {"author", "authors", "maintainer", "copyright", "whose"}))
    return Kind::who;
  if (first == "when" || l.find("what year") != std::string::npos ||
      l.find("what date") != std::string::npos || l.find("at what time") != std::string::npos)
    return Kind::when;
  for (std::string_view s : {"how many",
                             "how much",
                             "how long",
                             "how often",
                             "how big",
                             "how large",
                             "how old",
                             "how fast",
                             "what number",
                             "which number",
                             "what port",
                             "which port",
                             "what exit",
                             "which exit",
                             "what limit",
                             "how far",
                             "how deep",
                             "how soon",
                             "how high",
                             "how wide",
                             "how small",
                             "how short",
                             "above which",
                             "below which",
                             "up to which",
                             "what is the longest",
                             "what is the biggest",
                             "what is the largest",
                             "what is the highest",
                             "what is the smallest",
                             "what is the lowest",
                             "what is the shortest",
                             "what's the longest",
                             "what's the biggest",
                             "what's the largest",
                             "what's the highest",
                             "what's the smallest",
                             "what's the lowest"})
    if (l.find(s) != std::string::npos) return Kind::number;
  if (first == "where" || any_word(l, {"path", "location"}) || l.find("which file") != std::string::npos ||
      l.find("what file") != std::string::npos || l.find("which directory") != std::string::npos ||
      l.find("what directory") != std::string::npos || l.find("which folder") != std::string::npos)
    return Kind::place;
  if (l.find("how do") != std::string::npos || l.find("how can") != std::string::npos ||
      l.find("how to") != std::string::npos || l.find("how should") != std::string::npos ||
      l.find("how could") != std::string::npos || l.find("how would") != std::string::npos)
    return Kind::how_to;
  if (asks_for_noun(l,
                    {"option", "flag", "switch", "directive", "parameter", "setting", "variable", "keyword",
                     "command", "key", "tool", "function", "module", "header", "class", "macro", "hook"}))
    return Kind::option;
  for (std::string_view s : {"is", "are", "does", "do", "can", "will", "has", "should", "may", "must", "was",
                             "were", "did", "could"})
    if (first == s) return Kind::yes_no;
  if (first == "define" || l.starts_with("what is a ") || l.starts_with("what is an ") ||
      l.starts_with("what are ") || l.find(" mean") != std::string::npos ||
      l.find("stand for") != std::string::npos || l.starts_with("what is "))
    return Kind::definition;
  return Kind::fact;
}

/// A function word where English has no place for one: after an article with a noun such as "command" behind
/// it, or a preposition straight after "does" or another preposition. There it is the name of a program.
bool stands_as_name(std::string_view l, std::size_t at, std::string_view word) {
  auto before = [&] {
    std::size_t end = at;
    while (end > 0 && l[end - 1] == ' ') --end;
    std::size_t begin = end;
    while (begin > 0 && is_word_char(l[begin - 1])) --begin;
    return l.substr(begin, end - begin);
  }();
  std::string_view rest = l.substr(std::min(l.size(), at + word.size()));
  const std::string after = first_word(rest);
  static constexpr std::string_view kNouns[] = {"command", "directive", "program",    "utility",
                                                "daemon",  "tool",      "subcommand", "queue"};
  if (before == "the" && std::find(std::begin(kNouns), std::end(kNouns), after) != std::end(kNouns) &&
      is_stop_word(word))
    return true;
  static constexpr std::string_view kPrepositions[] = {"at", "on", "off", "up"};
  static constexpr std::string_view kBefore[] = {"does", "do", "of", "with", "in", "use", "the"};
  static constexpr std::string_view kAfter[] = {"the",   "a",    "an",   "most", "least",   "all",
                                                "which", "what", "this", "that", "its",     "your",
                                                "my",    "any",  "each", "once", "default", "to"};
  auto in = [](const auto& words, std::string_view w) {
    return std::find(std::begin(words), std::end(words), w) != std::end(words);
  };
  return in(kPrepositions, word) && in(kBefore, before) && !in(kAfter, after);
}

/// What the answer must look like, by the noun that is asked for.
Shape shape_of(const std::string& l, Kind kind, bool path) {
  auto says = [&](std::initializer_list<std::string_view> phrases) {
    return std::any_of(phrases.begin(), phrases.end(),
                       [&](std::string_view p) { return l.find(p) != std::string::npos; });
  };
  if (kind == Kind::who) return any_word(l, {"may", "can", "allowed"}) ? Shape::any : Shape::person;
  if (kind == Kind::yes_no) return Shape::any;
  if (path || kind == Kind::place) return Shape::path;
  if (asks_for_noun(l, {"signal"})) return Shape::signal;
  if (l.find("environment variable") != std::string::npos) return Shape::variable;
  if (asks_for_noun(l, {"key", "keys", "shortcut", "keystroke"}) && any_word(l, {"press", "key", "keys"}) &&
      !any_word(l, {"type", "file", "private", "public"}))
    return Shape::key;
  if (asks_for_noun(l, {"option", "flag", "switch", "argument"}))
    return kind == Kind::default_value ? Shape::any : Shape::option;
  if (asks_for_noun(l,
                    {"directive", "parameter", "setting", "keyword", "command", "function", "module", "hook",
                     "header", "class", "variable", "tool", "program", "utility", "macro", "subcommand"}))
    return kind == Kind::default_value ? Shape::any : Shape::identifier;
  if (says({"which version", "what version", "minimum version"})) return Shape::version;
  if (says({"percent", "what fraction"})) return Shape::percentage;
  if (says({"how long", "how often"}) ||
      any_word(l, {"timeout", "interval", "lifetime", "duration", "delay"}))
    return Shape::duration;
  if (says({"how big", "how large"})) return Shape::size;
  if (says({"how many",   "how much",  "how fast",  "how far",   "how deep",    "how soon",    "how high",
            "longest",    "biggest",   "largest",   "highest",   "smallest",    "lowest",      "shortest",
            "which exit", "what exit", "number of", "exit code", "exit status", "return code", "port"}) ||
      any_word(l, {"maximum", "minimum", "limit", "size"}))
    return kind == Kind::number || kind == Kind::default_value ? Shape::number : Shape::any;
  return Shape::any;
}

/// A word that begins a request: so that "and" before it separates two of them.
bool begins_request(std::string_view rest) {
  std::string w = first_word(rest);
  static constexpr std::string_view kStarts[] = {
      "what",   "which", "who",       "where",   "when",    "how",  "why",    "is",    "are",  "does",
      "do",     "can",   "calculate", "compute", "convert", "find", "list",   "show",  "tell", "give",
      "search", "look",  "read",      "open",    "explain", "get",  "what's", "whats", "also", "then",
      "fetch",  "add",   "create",    "send",    "set",     "book", "turn",   "remind"};
  return std::find(std::begin(kStarts), std::end(kStarts), w) != std::end(kStarts);
}

std::string trim(std::string_view text) {
  while (!text.empty() && (is_blank(text.front()) || text.front() == ',' || text.front() == ';'))
    text.remove_prefix(1);
  while (!text.empty() && (is_blank(text.back()) || text.back() == ',' || text.back() == ';'))
    text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

double Question::total_weight() const noexcept {
  double sum = 0;
  for (const Term& term : terms) sum += term.weight;
  return sum;
}

Question analyse(std::string_view clause) {
  Question q;
  q.text = squeeze(clause.substr(0, 4000));
  std::string_view text = q.text;
  std::string l = lower(text);
  q.kind = kind_of(l);
  for (std::string_view w : {"how many", "how much", "how long", "how often", "how big", "how large", " port",
                             "number of", "how fast", "exit code", "size"})
    q.numeric = q.numeric || l.find(w) != std::string::npos;

  q.path = l.starts_with("where") || asks_for_noun(l, {"file", "directory", "folder", "path"});

  q.shape = shape_of(l, q.kind, q.path);

  q.outcome = l.find("what happens") != std::string::npos || l.starts_with("what if ");

  // Quotations come first: what stands in quotes is taken as one term.
  std::vector<std::pair<std::size_t, std::size_t>> quoted_ranges;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char open = text[i];
    if (open != '"' && open != '`') continue;
    std::size_t end = text.find(open, i + 1);
    if (end == std::string_view::npos) break;
    if (end > i + 1) {
      q.quoted.emplace_back(text.substr(i + 1, end - i - 1));
      quoted_ranges.emplace_back(i, end);
    }
    i = end;
  }

  // "get rid of", "throw out": what the words mean together, not one by one.
  const std::vector<Token> words = tokenise(text);
  std::vector<std::string> word_stems;
  for (const Token& token : words) word_stems.push_back(token.stem);
  auto phrase_from = [&](std::size_t begin) -> std::size_t {
    const auto word =
        std::find_if(words.begin(), words.end(), [&](const Token& t) { return t.begin == begin; });
    return word == words.end() ? 0 : phrase_at(word_stems, static_cast<std::size_t>(word - words.begin()));
  };

  const std::string_view unsaid = l.size() == text.size() ? default_phrase(l) : std::string_view();
  const std::size_t unsaid_from = unsaid.empty() ? 0 : static_cast<std::size_t>(unsaid.data() - l.data());
  const std::size_t unsaid_to = unsaid_from + unsaid.size();

  std::size_t position = 0;
  bool sentence_start = true;
  for (std::size_t i = 0; i < text.size();) {
    auto range =
        std::find_if(quoted_ranges.begin(), quoted_ranges.end(), [&](const auto& r) { return r.first == i; });
    std::string_view word;
    bool is_quoted = false;
    if (range != quoted_ranges.end()) {
      word = text.substr(i + 1, range->second - i - 1);
      i = range->second + 1;
      is_quoted = true;
    } else if (is_word_char(text[i]) ||
               (text[i] == '-' && i + 1 < text.size() && (is_word_char(text[i + 1]) || text[i + 1] == '-')) ||
               ((text[i] == '/' || text[i] == '.' || text[i] == '~') && i + 1 < text.size() &&
                (is_word_char(text[i + 1]) || text[i + 1] == '/'))) {
      std::size_t begin = i;
      if (const std::size_t count = phrase_from(begin);
          count > 1 && (begin < unsaid_from || begin >= unsaid_to)) {
        const auto first =
            std::find_if(words.begin(), words.end(), [&](const Token& t) { return t.begin == begin; });
        const Token& last = *(first + static_cast<std::ptrdiff_t>(count) - 1);
        Term term;
        term.surface = std::string(text.substr(begin, last.end - begin));
        for (auto it = first; it <= first + static_cast<std::ptrdiff_t>(count) - 1; ++it)
          term.stems.push_back(it->stem);
        // "at most" and "at once" say little, "time stamp" much.
        const bool heavy =
            std::any_of(first, first + static_cast<std::ptrdiff_t>(count), [&](const Token& t) {
              const std::string each = lower(text.substr(t.begin, t.end - t.begin));
              return !is_stop_word(each) && !is_common_word(each) && !is_light_word(each);
            });
        term.weight = heavy ? 1.0 : 0.45;
        term.phrase = true;
        term.position = position + 1;
        position += count;
        i = last.end;
        sentence_start = false;
        if (q.terms.size() < 24) q.terms.push_back(std::move(term));
        continue;
      }
      while (i < text.size() && (is_word_char(text[i]) || is_joiner(text[i]) || text[i] == '~')) ++i;
      word = text.substr(begin, i - begin);
      while (!word.empty() &&
             (word.back() == '.' || word.back() == ':' || word.back() == '-' || word.back() == '/'))
        word.remove_suffix(1);
    } else {
      ++i;
      continue;
    }
    if (word.empty()) continue;
    ++position;
    // "if I don't pick one": nothing in it is the subject.
    if (const auto at = static_cast<std::size_t>(word.data() - text.data());
        at >= unsaid_from && at < unsaid_to)
      continue;
    std::string w = lower(word);
    bool option = word.front() == '-';
    bool identifier = is_quoted || option || is_identifier(word);
    bool proper = !sentence_start && is_upper(word.front());
    bool at_start = sentence_start;
    sentence_start = false;
    // "the at command", "Where does at keep ...": only a name can stand there.
    const bool named =
        !identifier && stands_as_name(l, static_cast<std::size_t>(word.data() - text.data()), w);
    if (!identifier && !named && (is_stop_word(w) || w.size() < 2)) continue;
    if (at_start && !identifier &&
        (w == "calculate" || w == "compute" || w == "define" || w == "search" || w == "convert"))
      continue;

    Term term;
    term.surface = std::string(word);
    term.position = position;
    for (Token& token : tokenise(word)) term.stems.push_back(std::move(token.stem));
    if (term.stems.empty()) continue;
    bool common = is_common_word(w);
    term.option = option && !is_quoted;
    term.entity = identifier || proper || named;
    term.weight = identifier         ? 1.5
                  : named            ? 1.3
                  : is_kind_noun(w)  ? 0.2
                  : common           ? 0.35
                  : proper           ? 1.3
                  : is_light_word(w) ? 0.6
                                     : 1.0;
    if (identifier && term.stems.size() == 1 && w.size() <= 2) term.weight = option ? 1.2 : 0.8;
    // A plain hyphenated word ("keep-alive", "follow-up") is a compound but no name.
    if (!is_quoted && !option && word.find('-') != std::string_view::npos && !is_identifier(word) && !proper)
      term.entity = false;
    auto same =
        std::find_if(q.terms.begin(), q.terms.end(), [&](const Term& t) { return t.stems == term.stems; });
    if (same == q.terms.end()) q.terms.push_back(std::move(term));
    if (q.terms.size() >= 24) break;
  }
  // "Who wrote at?": with hardly a subject left, a last word that looks like a function word is one.
  if (q.total_weight() <= 1.0) {
    std::size_t end = text.size();
    while (end > 0 && !is_word_char(text[end - 1])) --end;
    std::size_t begin = end;
    while (begin > 0 && is_word_char(text[begin - 1])) --begin;
    std::string w = lower(text.substr(begin, end - begin));
    static constexpr std::string_view kNever[] = {"it",   "this", "that", "me",    "you", "do",
                                                  "them", "for",  "here", "there", "be",  "is",
                                                  "are",  "us",   "mean", "means", "done"};
    if (is_stop_word(w) && begin > 0 &&
        std::find(std::begin(kNever), std::end(kNever), w) == std::end(kNever)) {
      Term term;
      term.surface = w;
      term.stems = {stem(w)};
      term.entity = true;
      term.position = position + 1;
      q.terms.push_back(std::move(term));
    }
  }
  return q;
}

std::vector<std::string> split_clauses(std::string_view request, std::size_t limit) {
  std::string text = squeeze(request.substr(0, 8000));
  std::vector<std::string> clauses;
  std::size_t begin = 0;
  auto take = [&](std::size_t end, std::size_t next) {
    std::string clause = trim(std::string_view(text).substr(begin, end - begin));
    if (!clause.empty()) clauses.push_back(std::move(clause));
    begin = next;
  };
  bool quoted = false;
  for (std::size_t i = 0; i < text.size() && clauses.size() + 1 < limit; ++i) {
    char c = text[i];
    if (c == '"' || c == '`') quoted = !quoted;
    if (quoted) continue;
    bool end_of_text = i + 1 >= text.size();
    if ((c == '?' || c == '!' || c == ';' || c == '.') && !end_of_text && text[i + 1] == ' ') {
      if (c == '.' && i >= 1 && i + 2 < text.size() && !is_upper(text[i + 2])) continue;  // "e.g. this"
      take(c == ';' ? i : i + 1, i + 2);
      continue;
    }
    std::string_view rest = std::string_view(text).substr(i);
    for (std::string_view glue :
         {std::string_view(" and "), std::string_view(", then "), std::string_view(" then ")}) {
      if (i > begin + 3 && rest.starts_with(glue) && begins_request(rest.substr(glue.size()))) {
        take(i, i + glue.size());
        i = begin - 1;
        break;
      }
    }
  }
  take(text.size(), text.size());
  // "Please." or "Thanks!" is no request; "Hello. What is ..." loses its greeting.
  if (clauses.size() > 1)
    std::erase_if(clauses, [](const std::string& clause) {
      return is_greeting(clause) || analyse(clause).terms.empty();
    });
  if (clauses.empty()) clauses.push_back(text);
  return clauses;
}

Split split_document(std::string_view message) {
  if (message.size() <= 1500) {
    // A short message is a question, unless it brings a labelled or fenced text.
    std::size_t fence = message.find("```");
    if (fence == std::string_view::npos && message.find("\n\n") == std::string_view::npos)
      return {std::string(message), {}};
  }
  auto paragraph_end = [&](std::size_t from) {
    std::size_t end = message.find("\n\n", from);
    return end == std::string_view::npos ? message.size() : end;
  };
  auto blank = [](std::string_view text) { return squeeze(text.substr(0, 200)).empty(); };
  // The last paragraph with a question mark wins, else the first paragraph.
  std::string_view body = message;
  while (!body.empty() && is_blank(body.back())) body.remove_suffix(1);
  std::size_t last = body.rfind("\n\n");
  std::string_view tail = last == std::string_view::npos ? body : body.substr(last + 2);
  if (tail.size() <= 1500 && tail.find('?') != std::string_view::npos && last != std::string_view::npos)
    return {std::string(tail), std::string(body.substr(0, last))};
  std::size_t head = paragraph_end(0);
  if (head <= 1500 && head < body.size()) {
    std::string_view rest = body.substr(head);
    return blank(rest) ? Split{std::string(body), {}}
                       : Split{std::string(body.substr(0, head)), std::string(rest)};
  }
  std::size_t line = body.find('\n');
  if (line != std::string_view::npos && line <= 1500)
    return {std::string(body.substr(0, line)), std::string(body.substr(line + 1))};
  line = body.rfind('\n');
  if (line != std::string_view::npos && body.size() - line <= 1500)
    return {std::string(body.substr(line + 1)), std::string(body.substr(0, line))};
  return {std::string(body.substr(0, 1500)), body.size() > 1500 ? std::string(body) : std::string()};
}

bool asks_about_model(std::string_view text) {
  std::string l = lower(squeeze(text.substr(0, 400)));
  for (std::string_view phrase :
       {"who are you",          "what are you",        "who made you",   "which model are you",
        "what model are you",   "are you an ai",       "are you a ",     "are you gpt",
        "are you chatgpt",      "are you claude",      "are you human",  "what can you do",
        "introduce yourself",   "your name",           "about yourself", "what kind of model",
        "which language model", "what language model", "who built you",  "how do you work",
        "what do you do"})
    if (l.find(phrase) != std::string::npos) return true;
  return false;
}

bool is_greeting(std::string_view text) {
  std::string l = lower(squeeze(text.substr(0, 80)));
  while (!l.empty() && !is_word_char(l.back())) l.pop_back();
  for (std::string_view phrase : {"hello", "hi", "hey", "hello there", "hi there", "good morning",
                                  "good evening", "good afternoon", "thanks", "thank you", "please"})
    if (l == phrase) return true;
  return false;
}

}  // namespace beluga::llm::offline_model
