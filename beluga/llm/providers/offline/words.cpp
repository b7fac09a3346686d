#include "beluga/llm/providers/offline/internal/words.hpp"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {
namespace {

/// Porter's algorithm on a buffer. The names follow the paper.
class Porter {
 public:
  explicit Porter(std::string_view word) : w_(word) {}

  std::string run() {
    if (w_.size() <= 2) return w_;
    step1a();
    step1b();
    step1c();
    static constexpr Rule kStep2[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
        {"abli", "able"},   {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
        {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
        {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"}};
    static constexpr Rule kStep3[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                      {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
    apply(kStep2, std::size(kStep2), 0);
    apply(kStep3, std::size(kStep3), 0);
    step4();
    step5();
    return w_;
  }

 private:
  struct Rule {
    std::string_view suffix, replacement;
  };

  bool vowel(std::size_t i) const {
    switch (w_[i]) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
        return true;
      case 'y':
        return i > 0 && !vowel_simple(i - 1);
      default:
        return false;
    }
  }
  // A run of y alternates; the letter before decides, and for a y before it the one before that: one step is
  // enough here.
  bool vowel_simple(std::size_t i) const {
    return std::string_view("aeiou").find(w_[i]) != std::string_view::npos;
  }
  int measure(std::size_t length) const {
    int m = 0;
    bool in_vowels = false;
    for (std::size_t i = 0; i < length; ++i) {
      bool v = vowel(i);
      if (!v && in_vowels) ++m;
      in_vowels = v;
    }
    return m;
  }
  bool has_vowel(std::size_t length) const {
    for (std::size_t i = 0; i < length; ++i)
      if (vowel(i)) return true;
    return false;
  }
  bool double_consonant() const {
    std::size_t n = w_.size();
    return n >= 2 && w_[n - 1] == w_[n - 2] && !vowel(n - 1);
  }
  bool cvc(std::size_t length) const {
    if (length < 3 || vowel(length - 1) || !vowel(length - 2) || vowel(length - 3)) return false;
    char c = w_[length - 1];
    return c != 'w' && c != 'x' && c != 'y';
  }
  bool ends(std::string_view suffix) const {
    return w_.size() > suffix.size() && std::string_view(w_).ends_with(suffix);
  }
  void cut(std::size_t n) { w_.resize(w_.size() - n); }

  void step1a() {
    if (ends("sses") || ends("ies"))
      cut(2);
    else if (ends("s") && !ends("ss") && !ends("us"))
      cut(1);
  }
  void step1b() {
    if (ends("eed")) {
      if (measure(w_.size() - 3) > 0) cut(1);
      return;
    }
    std::size_t n = ends("ed") ? 2 : ends("ing") ? 3 : 0;
    if (n == 0 || !has_vowel(w_.size() - n)) return;
    cut(n);
    if (ends("at") || ends("bl") || ends("iz"))
      w_ += 'e';
    else if (double_consonant() && w_.back() != 'l' && w_.back() != 's' && w_.back() != 'z')
      cut(1);
    else if (measure(w_.size()) == 1 && cvc(w_.size()))
      w_ += 'e';
  }
  void step1c() {
    if (ends("y") && has_vowel(w_.size() - 1)) w_.back() = 'i';
  }
  void apply(const Rule* rules, std::size_t count, int least) {
    for (std::size_t i = 0; i < count; ++i) {
      if (!ends(rules[i].suffix)) continue;
      if (measure(w_.size() - rules[i].suffix.size()) > least) {
        cut(rules[i].suffix.size());
        w_ += rules[i].replacement;
      }
      return;
    }
  }
  void step4() {
    static constexpr std::string_view kSuffixes[] = {"ement", "ance", "ence", "able", "ible", "ment", "ant",
                                                     "ent",   "ism",  "ate",  "iti",  "ous",  "ive",  "ize",
                                                     "ion",   "al",   "er",   "ic",   "ou"};
    for (std::string_view suffix : kSuffixes) {
      if (!ends(suffix)) continue;
      std::size_t rest = w_.size() - suffix.size();
      if (measure(rest) > 1 && (suffix != "ion" || w_[rest - 1] == 's' || w_[rest - 1] == 't'))
        cut(suffix.size());
      return;
    }
  }
  void step5() {
    if (ends("e")) {
      int m = measure(w_.size() - 1);
      if (m > 1 || (m == 1 && !cvc(w_.size() - 1))) cut(1);
    }
    if (measure(w_.size()) > 1 && double_consonant() && w_.back() == 'l') cut(1);
  }

  std::string w_;
};

constexpr std::string_view kStopWords[] = {
    "a",       "about",  "all",   "also",   "am",      "an",      "and",       "any",    "anybody", "anyone",
    "are",     "as",     "at",    "be",     "because", "been",    "being",     "but",    "by",      "can",
    "cannot",  "could",  "did",   "do",     "does",    "doing",   "done",      "each",   "else",    "ever",
    "exactly", "for",    "from",  "get",    "give",    "given",   "had",       "happen", "happens", "has",
    "have",    "having", "he",    "her",    "here",    "hello",   "hi",        "him",    "his",     "how",
    "i",       "if",     "in",    "into",   "is",      "it",      "its",       "just",   "kind",    "know",
    "let",     "like",   "long",  "many",   "may",     "me",      "mean",      "means",  "might",   "mine",
    "much",    "must",   "my",    "need",   "needs",   "no",      "not",       "of",     "off",     "often",
    "on",      "one",    "ones",  "only",   "or",      "our",     "out",       "please", "said",    "say",
    "says",    "shall",  "she",   "should", "so",      "some",    "something", "such",   "tell",    "than",
    "that",    "the",    "their", "them",   "then",    "there",   "these",     "they",   "thing",   "this",
    "those",   "though", "to",    "too",    "up",      "us",      "very",      "via",    "want",    "was",
    "we",      "were",   "what",  "when",   "where",   "whether", "which",     "while",  "who",     "whom",
    "whose",   "why",    "will",  "with",   "without", "would",   "you",       "your",
};
constexpr std::string_view kCommonWords[] = {
    "according",   "actual",     "actually",    "allow",      "allowed",     "allows",    "alternative",
    "answer",      "available",  "behavior",    "behaviour",  "belong",      "belongs",   "called",
    "cause",       "certain",    "change",      "changes",    "command",     "commands",  "configuration",
    "configure",   "configured", "contain",     "contains",   "control",     "correct",   "correspond",
    "corresponds", "default",    "defaults",    "define",     "defined",     "describe",  "described",
    "description", "detail",     "details",     "different",  "directive",   "document",  "documentation",
    "documented",  "documents",  "enable",      "exist",      "exists",      "explain",   "file",
    "files",       "find",       "flag",        "flags",      "folder",      "function",  "handle",
    "handles",     "hold",       "holds",       "info",       "information", "keep",      "list",
    "look",        "make",       "makes",       "manual",     "map",         "mapped",    "maps",
    "maximum",     "meaning",    "method",      "minimum",    "mode",        "name",      "named",
    "names",       "new",        "number",      "offer",      "option",      "options",   "parameter",
    "parameters",  "part",       "particular",  "possible",   "project",     "provide",   "provided",
    "provides",    "put",        "recommended", "repository", "run",         "running",   "runs",
    "second",      "seconds",    "section",     "see",        "set",         "sets",      "setting",
    "settings",    "should",     "show",        "shows",      "specific",    "specified", "specify",
    "stand",       "support",    "supported",   "supports",   "switch",      "system",    "take",
    "takes",       "time",       "turn",        "type",       "types",       "unless",    "use",
    "used",        "uses",       "using",       "usually",    "value",       "values",    "variable",
    "version",     "way",        "work",        "works",      "write",       "written"};

// Words of everyday speech: a question has them, and the text that answers it often has not.
constexpr std::string_view kLightWords[] = {
    "accept",    "actual",   "after",    "again",      "against",    "ahead",    "alone",     "along",
    "already",   "always",   "another",  "anyway",     "apart",      "apply",    "around",    "ask",
    "available", "away",     "back",     "become",     "before",     "begin",    "behave",    "behaviour",
    "behind",    "below",    "best",     "best-known", "better",     "between",  "bigger",    "both",
    "bring",     "call",     "certain",  "check",      "choose",     "come",     "common",    "complete",
    "consider",  "consists", "count",    "create",     "deal",       "decide",   "different", "directly",
    "during",    "earlier",  "early",    "easily",     "either",     "end",      "enough",    "entire",
    "even",      "ever",     "every",    "everything", "everywhere", "exact",    "exist",     "external",
    "extra",     "far",      "few",      "finally",    "first",      "follow",   "force",     "full",
    "further",   "general",  "gets",     "getting",    "give",       "given",    "gives",     "go",
    "goes",      "going",    "good",     "got",        "grow",       "hand",     "happen",    "hear",
    "help",      "high",     "hit",      "holds",      "instead",    "intended", "internal",  "involve",
    "itself",    "keep",     "kind",     "known",      "largest",    "last",     "later",     "latest",
    "lead",      "least",    "leave",    "leaves",     "left",       "less",     "let",       "letting",
    "level",     "likely",   "line",     "little",     "live",       "long",     "lose",      "loses",
    "lot",       "low",      "lower",    "made",       "main",       "making",   "many",      "matter",
    "maximum",   "mean",     "meant",    "mine",       "most",       "move",     "must",      "near",
    "needed",    "never",    "next",     "nobody",     "none",       "normal",   "normally",  "nothing",
    "notice",    "number",   "occur",    "old",        "older",      "once",     "ones",      "open",
    "order",     "original", "other",    "otherwise",  "own",        "pass",     "people",    "person",
    "pick",      "place",    "plain",    "plus",       "point",      "position", "possibly",  "prefer",
    "present",   "press",    "prevent",  "print",      "probably",   "produce",  "provide",   "purpose",
    "putting",   "quickly",  "quite",    "rather",     "reach",      "reading",  "real",      "really",
    "reason",    "receive",  "refer",    "related",    "relevant",   "remain",   "repeat",    "require",
    "result",    "return",   "right",    "round",      "rule",       "run",      "running",   "same",
    "save",      "say",      "second",   "seen",       "sees",       "sends",    "sense",     "separate",
    "set",       "several",  "short",    "shows",      "similar",    "simple",   "simply",    "since",
    "single",    "sit",      "sits",     "small",      "somebody",   "someone",  "something", "somewhere",
    "soon",      "sort",     "spare",    "special",    "spend",      "start",    "starts",    "stay",
    "stays",     "still",    "stop",     "stops",      "store",      "sure",     "taken",     "takes",
    "taking",    "talk",     "tell",     "tells",      "therefore",  "thing",    "things",    "think",
    "third",     "times",    "together", "total",      "toward",     "towards",  "treat",     "tries",
    "try",       "turns",    "twice",    "typical",    "typically",  "under",    "unlike",    "until",
    "used",      "using",    "usual",    "usually",    "wait",       "wanted",   "wants",     "watch",
    "whatever",  "whenever", "wherever", "whichever",  "whole",      "why",      "willing",   "wish",
    "within",    "without",  "word",     "work",       "worth",      "writes",   "wrong",     "year",
    "yet",
};

template <std::size_t N>
bool listed(const std::string_view (&table)[N], std::string_view word) noexcept {
  return std::find(std::begin(table), std::end(table), word) != std::end(table);
}

/// Decodes one UTF-8 character; a malformed byte is taken as it is.
char32_t decode(std::string_view text, std::size_t at, std::size_t& length) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(at);
  length = 1;
  std::size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (want == 1 || at + want > text.size()) return first;
  char32_t code = first & (0xFFU >> (want + 1));
  for (std::size_t i = 1; i < want; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return first;
    code = (code << 6) | (byte(at + i) & 0x3FU);
  }
  length = want;
  return code;
}

bool is_cjk(char32_t c) noexcept {
  return (c >= 0x3040 && c <= 0x30FF) || (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7AF) ||
         (c >= 0xF900 && c <= 0xFAFF);
}
/// General punctuation and the like: quotes, dashes, bullets, ellipses, ideographic stops.
bool is_unicode_punctuation(char32_t c) noexcept {
  return (c >= 0x2000 && c <= 0x206F) || (c >= 0x2190 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x303F) ||
         (c >= 0x80 && c <= 0xBF) || (c >= 0xFF00 && c <= 0xFF0F);
}
/// Lower case for the alphabets where it is a fixed distance: Latin-1, Greek, Cyrillic.
void append_lower(std::string& out, std::string_view bytes, char32_t c) {
  char32_t l = c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) || (c >= 0x410 && c <= 0x42F))
    l = c + 32;
  else if (c >= 0x400 && c <= 0x40F)
    l = c + 80;
  if (l == c) {
    out.append(bytes);
    return;
  }
  out += static_cast<char>(0xC0 | (l >> 6));
  out += static_cast<char>(0x80 | (l & 0x3F));
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      out += is_upper(text[i]) ? static_cast<char>(text[i] + 32) : text[i];
      ++i;
      continue;
    }
    std::size_t length = 1;
    char32_t c = decode(text, i, length);
    append_lower(out, text.substr(i, length), length > 1 ? c : 0);
    i += length;
  }
  return out;
}

std::string stem(std::string_view word) {
  // Numbers, identifiers with digits and words outside ASCII stay as they are.
  for (char c : word)
    if (!is_ascii_alpha(c)) return std::string(word);
  if (word.size() > 40) return std::string(word.substr(0, 40));
  static const auto bases = [] {
    std::unordered_map<std::string_view, std::string_view> out;
    each_record(irregular_forms(), [&](std::string_view pair) {
      if (const std::size_t blank = pair.find(' '); blank != std::string_view::npos)
        out.emplace(pair.substr(0, blank), pair.substr(blank + 1));
    });
    return out;
  }();
  if (word.size() <= 11)
    if (const auto base = bases.find(word); base != bases.end()) word = base->second;
  return Porter(word).run();
}

std::vector<Token> tokenise(std::string_view text) {
  std::vector<Token> tokens;
  std::size_t i = 0;
  while (i < text.size()) {
    if (!is_word_char(text[i])) {
      ++i;
      continue;
    }
    std::size_t begin = i;
    std::size_t previous_cjk = std::string_view::npos;
    bool broke = false;
    while (i < text.size() && is_word_char(text[i])) {
      if (static_cast<unsigned char>(text[i]) < 0x80) {
        if (previous_cjk != std::string_view::npos) break;
        ++i;
        continue;
      }
      std::size_t length = 1;
      char32_t c = decode(text, i, length);
      if (is_cjk(c)) {
        if (previous_cjk == std::string_view::npos && i > begin) break;  // ends a Latin word
        if (previous_cjk != std::string_view::npos)
          tokens.push_back({std::string(text.substr(previous_cjk, i + length - previous_cjk)),
                            static_cast<std::uint32_t>(previous_cjk),
                            static_cast<std::uint32_t>(i + length)});
        previous_cjk = i;
        i += length;
        continue;
      }
      if (previous_cjk != std::string_view::npos || (length > 1 && is_unicode_punctuation(c))) {
        broke = length > 1 && is_unicode_punctuation(c);
        break;
      }
      i += length;
    }
    if (previous_cjk == std::string_view::npos && i > begin)
      tokens.push_back({stem(lower(text.substr(begin, i - begin))), static_cast<std::uint32_t>(begin),
                        static_cast<std::uint32_t>(i)});
    if (broke) {
      std::size_t length = 1;
      decode(text, i, length);
      i += length;
    }
  }
  return tokens;
}

bool is_stop_word(std::string_view word) noexcept {
  return listed(kStopWords, word);
}
bool is_light_word(std::string_view word) noexcept {
  return listed(kLightWords, word);
}
bool is_common_word(std::string_view word) noexcept {
  return listed(kCommonWords, word);
}

std::string squeeze(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    if (is_blank(c)) {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool contains_word(std::string_view text, std::string_view word) noexcept {
  auto same = [](char a, char b) { return (is_upper(a) ? static_cast<char>(a + 32) : a) == b; };
  for (auto it = text.begin();;) {
    it = std::search(it, text.end(), word.begin(), word.end(), same);
    if (it == text.end()) return false;
    auto after = it + static_cast<std::ptrdiff_t>(word.size());
    bool starts = it == text.begin() || !is_word_char(*(it - 1));
    bool stops = after == text.end() || !is_word_char(*after);
    if (starts && stops) return true;
    ++it;
  }
}

}  // namespace beluga::llm::offline_model
